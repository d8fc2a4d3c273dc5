using System.Collections.Concurrent;
using RabbitMQ.Client;

namespace Postrider.Transports.RabbitMq;

/// <summary>
/// Delays without plugins: for each level k an exchange <c>postrider.delay.k</c>, and for each queue that gets delayed messages, made when
/// first needed, a queue <c>QUEUE~delay.k</c> whose messages expire after 125 ms · 2ᵏ into the exchange below. An exchange leads a message
/// whose digit k is 1 to the rung of its queue, and any other one down to the next exchange; the last one leads it to its queue.
/// </summary>
/// <remarks>
/// All of it is the broker's, so no process is needed for a message to come, and delays survive restarts. Each rung has one time to
/// live, so its messages expire in order. Rungs belong to one queue: where one cannot take its messages, the others' still come.
/// </remarks>
internal sealed class DelayLadder(Connections connections, bool create) : IDisposable
{
    public const string End = "postrider.delay.end";

    /// <summary>What no queue name holds, so that a rung is nobody's queue.</summary>
    private const string RungInfix = "~delay.";

    private readonly ConcurrentDictionary<string, Ladder> _ladders = new(StringComparer.Ordinal);
    private readonly SemaphoreSlim _exchangesOne = new(1, 1);
    private volatile IConnection? _exchangesOn;

    public static string Exchange(int level) => level < 0 ? End : $"postrider.delay.{level}";

    public static string Rung(string queue, int level) => queue + RungInfix + level;

    /// <summary>Makes all rungs exist that the message needs. False if the queue does not exist. What is known of a connection is not asked again.</summary>
    public async ValueTask<bool> PrepareAsync(string queue, ulong rungs, CancellationToken cancellationToken)
    {
        var connection = await connections.Consume.GetAsync(cancellationToken).ConfigureAwait(false);
        var ladder = _ladders.GetOrAdd(queue, static _ => new());
        if (ladder.Has(connection, rungs))
        {
            return true;
        }

        await ladder.One.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            return ladder.Has(connection, rungs) || await MakeAsync(queue, ladder, connection, rungs, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            ladder.One.Release();
        }
    }

    /// <summary>Something of it has vanished: everything is made again at the next use.</summary>
    public void Forget(string queue)
    {
        _exchangesOn = null;
        _ladders.TryRemove(queue, out _);
    }

    public void Dispose() => _exchangesOne.Dispose();

    private async ValueTask<bool> MakeAsync(string queue, Ladder ladder, IConnection connection, ulong rungs, CancellationToken cancellationToken)
    {
        try
        {
            await connections.WithChannelAsync($"send with a delay to '{queue}'", channel => channel.QueueDeclarePassiveAsync(queue), cancellationToken)
                .ConfigureAwait(false);
        }
        catch (TransportException e) when (e.Reason == TransportError.QueueNotFound)
        {
            return false;
        }

        if (create)
        {
            await MakeExchangesAsync(connection, cancellationToken).ConfigureAwait(false);
            var missing = rungs & ~ladder.On(connection);
            string[] names = [.. Enumerable.Range(0, DelayTime.Levels).Where(level => (missing >> level & 1) != 0).Select(level => Rung(queue, level))];
            var areNew = !await NewQueues.ExistAsync(connections, names, cancellationToken).ConfigureAwait(false);
            await connections.WithChannelAsync(
                $"make the delays of '{queue}'",
                async channel =>
                {
                    for (var level = 0; level < DelayTime.Levels; level++)
                    {
                        if ((missing >> level & 1) != 0)
                        {
                            var rung = Rung(queue, level);
                            await channel.QueueDeclareAsync(rung, durable: true, exclusive: false, autoDelete: false, Arguments(level)).ConfigureAwait(false);
                            await channel.QueueBindAsync(rung, Exchange(level), DelayTime.Pattern(queue, level, '1')).ConfigureAwait(false);
                        }
                    }

                    return true;
                },
                cancellationToken).ConfigureAwait(false);
            await BindEndAsync(queue, cancellationToken).ConfigureAwait(false);
            if (areNew)
            {
                await NewQueues.SecureAsync(connections, cancellationToken).ConfigureAwait(false);
            }
        }

        ladder.Add(connection, rungs);
        return true;
    }

    /// <summary>What leads the messages of a queue out of the ladder.</summary>
    public static string EndPattern(string queue) => EndKey(queue) + ".#";

    /// <summary>The key of a message that has no delay and is to go from <see cref="End"/> to its queue, or the level of its queue.</summary>
    public static string EndKey(string queue) => queue.Replace('.', '/');

    /// <summary>For queues that others have declared. Those with priorities are bound by their levels, and must not be bound twice.</summary>
    private async ValueTask BindEndAsync(string queue, CancellationToken cancellationToken)
    {
        if (await QueueLevels.ExistAsync(connections, queue, cancellationToken).ConfigureAwait(false))
        {
            return;
        }

        await connections.WithChannelAsync($"make the delays of '{queue}'", channel => BindEndAsync(channel, queue, bind: true), cancellationToken).ConfigureAwait(false);
        if (await QueueLevels.ExistAsync(connections, queue, cancellationToken).ConfigureAwait(false))
        {
            // They came just before that.
            await connections.WithChannelAsync($"make the delays of '{queue}'", channel => BindEndAsync(channel, queue, bind: false), cancellationToken).ConfigureAwait(false);
        }
    }

    private static async Task<bool> BindEndAsync(IChannel channel, string queue, bool bind)
    {
        await (bind ? channel.QueueBindAsync(queue, End, EndPattern(queue)) : channel.QueueUnbindAsync(queue, End, EndPattern(queue))).ConfigureAwait(false);
        return true;
    }

    private async ValueTask MakeExchangesAsync(IConnection connection, CancellationToken cancellationToken)
    {
        if (ReferenceEquals(_exchangesOn, connection))
        {
            return;
        }

        await _exchangesOne.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (!ReferenceEquals(_exchangesOn, connection))
            {
                await connections.WithChannelAsync("make the exchanges of delays", MakeExchangesAsync, cancellationToken).ConfigureAwait(false);
                _exchangesOn = connection;
            }
        }
        finally
        {
            _exchangesOne.Release();
        }
    }

    private static async Task<bool> MakeExchangesAsync(IChannel channel)
    {
        for (var level = -1; level < DelayTime.Levels; level++)
        {
            // Without waiting for each answer; a refusal closes the channel, which the last command meets.
            await channel.ExchangeDeclareAsync(Exchange(level), ExchangeType.Topic, durable: true, autoDelete: false, noWait: true).ConfigureAwait(false);
            if (level >= 0)
            {
                await channel.ExchangeBindAsync(Exchange(level - 1), Exchange(level), DelayTime.Pattern(null, level, '0'), noWait: true).ConfigureAwait(false);
            }
        }

        await channel.ExchangeDeclarePassiveAsync(End).ConfigureAwait(false);
        return true;
    }

    private static Dictionary<string, object?> Arguments(int level) => new()
    {
        ["x-queue-type"] = "quorum",
        ["x-message-ttl"] = DelayTime.Milliseconds(level),
        ["x-dead-letter-exchange"] = Exchange(level - 1),
        // A message leaves the rung when the next one has it, and not before.
        ["x-dead-letter-strategy"] = "at-least-once",
        ["x-overflow"] = "reject-publish",
    };

    /// <summary>What is known of the rungs of one queue, on one connection.</summary>
    private sealed class Ladder
    {
        private volatile Known? _known;

        public SemaphoreSlim One { get; } = new(1, 1);

        public ulong On(IConnection connection) => _known is { } known && ReferenceEquals(known.Connection, connection) ? known.Rungs : 0;

        public bool Has(IConnection connection, ulong rungs) => (rungs & ~On(connection)) == 0;

        public void Add(IConnection connection, ulong rungs) => _known = new(connection, On(connection) | rungs);

        private sealed record Known(IConnection Connection, ulong Rungs);
    }
}
