using System.Globalization;
using Postrider.Core.Transport;

namespace Postrider.Transports.Nats;

/// <summary>A message that is ours until its lease is over. Nothing on the server fences a late word, so this process's clock does.</summary>
internal sealed class NatsDelivery(NatsReceiver owner, Envelope envelope, in Position position, int counted, string ackSubject, char source, long handedOutAfter)
    : Delivery(owner.Queue, envelope, counted + position.Deliveries - 1)
{
    private int _settling;

    public NatsReceiver Owner { get; } = owner;

    public Position Position { get; } = position;

    public override string BrokerPosition => string.Create(CultureInfo.InvariantCulture, $"{Position.Stream}:{Position.Sequence}");

    /// <summary>Where the server takes what becomes of it.</summary>
    public string AckSubject { get; } = ackSubject;

    /// <summary>The tag of where it came from (<see cref="ReceiverSession"/>).</summary>
    public char Source { get; } = source;

    /// <summary>The level of the queue that it was in.</summary>
    public int Level => char.IsAsciiDigit(Source) ? Source - '0' : Priorities.Default;

    /// <summary>The lease as it was asked for began after this moment: the hand-out or the last renewal.</summary>
    public long GrantedAt { get; set; } = handedOutAfter;

    /// <summary>The server was last told that we hold it after this moment: the hand-out, a renewal, or the lease keeper.</summary>
    public long ToldAt { get; set; } = handedOutAfter;

    public bool IsSettled => Volatile.Read(ref _settling) != 0;

    /// <summary>False if it is settled or being settled.</summary>
    public bool TryBegin() => Interlocked.Exchange(ref _settling, 1) == 0;

    /// <summary>It may be tried again.</summary>
    public void Undo() => Volatile.Write(ref _settling, 0);
}
