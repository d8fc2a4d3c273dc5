using System.Buffers;
using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Threading.Tasks.Sources;
using Postrider.Core.Transport;
using Postrider.Pooling;

namespace Postrider.Transports.Nats;

/// <summary>One batch on its way: fills the results as answers come, and completes with the last one. Reused.</summary>
internal sealed class PublishCall : Awaiting, IValueTaskSource
{
    private const string Doing = "publish";
    private ManualResetValueTaskSourceCore<bool> _done = new() { RunContinuationsAsynchronously = true };
    private SemaphoreSlim _room = null!;
    private string _where = "";
    private Memory<PublishResult> _results;
    private ReplySlot?[] _slots = [];
    private DestinationKind[] _kinds = [];
    private int _left;

    /// <param name="results">To be filled.</param>
    /// <param name="room">A place of which is taken for each item that is sent.</param>
    /// <param name="where">The server, for messages.</param>
    public void Begin(Memory<PublishResult> results, SemaphoreSlim room, string where)
    {
        _done.Reset();
        (_results, _room, _where) = (results, room, where);
        if (_slots.Length < results.Length)
        {
            _slots = new ReplySlot[results.Length];
            _kinds = new DestinationKind[results.Length];
        }

        // One more for the sender, so that it is not complete before all are sent.
        _left = results.Length + 1;
    }

    /// <summary>Begins to wait for the answer to an item that is about to be written. The caller has taken a place of the room.</summary>
    public ReplySlot Ask(Link link, int item, DestinationKind kind)
    {
        // From now on it may have been sent.
        _results.Span[item] = new(PublishStatus.Unknown);
        _kinds[item] = kind;
        return _slots[item] = link.Await(this, item);
    }

    /// <summary>An item's result.</summary>
    public void Set(int item, PublishResult result)
    {
        _results.Span[item] = result;
        Complete();
    }

    /// <summary>Everything is sent: waits for the answers. Cancelling ends the wait; what has no answer then is unknown.</summary>
    [AsyncMethodBuilder(typeof(PooledAsyncMethodBuilder))]
    public async ValueTask EndAsync(CancellationToken cancellationToken)
    {
        Complete();
        using (cancellationToken.UnsafeRegister(static state => ((PublishCall)state!).GiveUp(), this))
        {
            await new ValueTask(this, _done.Version).ConfigureAwait(false);
        }

        Array.Clear(_slots);
        _results = default;
    }

    public override void Answered(int item, int status, in ReadOnlySequence<byte> payload)
    {
        _room.Release();
        Set(item, status == 503 ? NobodyListens(_kinds[item]) : Read(payload));
    }

    public override void Lost(int item, Exception error)
    {
        _room.Release();
        Set(item, new(PublishStatus.Unknown, error is TransportException { Reason: TransportError.Timeout }
            ? NatsErrors.TimedOut(Doing, _where)
            : error is OperationCanceledException ? error : NatsErrors.Lost(Doing, _where)));
    }

    /// <summary>The result of several copies of one message.</summary>
    public static PublishResult Together(ReadOnlySpan<PublishResult> copies)
    {
        var (stored, failed, result) = (0, 0, copies[0]);
        foreach (var copy in copies)
        {
            if (copy.Status is PublishStatus.Stored or PublishStatus.Duplicate)
            {
                stored++;
                result = failed > 0 || result.Status == PublishStatus.Stored ? result : copy;
            }
            else
            {
                failed++;
                result = copy.Status == PublishStatus.Unknown || failed == 1 ? copy : result;
            }
        }

        // Some queues have it: sent again, it is a duplicate there.
        return failed > 0 && stored > 0 ? new(PublishStatus.Unknown, result.Error) : result;
    }

    void IValueTaskSource.GetResult(short token) => _done.GetResult(token);

    ValueTaskSourceStatus IValueTaskSource.GetStatus(short token) => _done.GetStatus(token);

    void IValueTaskSource.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _done.OnCompleted(continuation, state, token, flags);

    private void GiveUp()
    {
        var error = new OperationCanceledException();
        for (var item = 0; item < _slots.Length; item++)
        {
            if (_slots[item]?.End(this) == true)
            {
                Lost(item, error);
            }
        }
    }

    private void Complete()
    {
        if (Interlocked.Decrement(ref _left) == 0)
        {
            _done.SetResult(true);
        }
    }

    private PublishResult NobodyListens(DestinationKind kind) => new(PublishStatus.Unroutable, kind == DestinationKind.Topic ? null : new TransportException(
        $"Cannot {Doing} on NATS at {_where}: no stream takes it, so the queue does not exist. Declare the queue first.", TransportError.QueueNotFound));

    private PublishResult Read(in ReadOnlySequence<byte> payload)
    {
        var (code, errorCode, description, duplicate, stored) = (0, 0, "", false, false);
        try
        {
            var json = new Utf8JsonReader(payload);
            while (json.Read())
            {
                if (json.TokenType != JsonTokenType.PropertyName)
                {
                    continue;
                }

                if (json.ValueTextEquals("duplicate"u8) && json.Read())
                {
                    duplicate = json.TokenType == JsonTokenType.True;
                }
                else if (json.ValueTextEquals("seq"u8) && json.Read())
                {
                    stored = json.TokenType == JsonTokenType.Number;
                }
                else if (json.ValueTextEquals("code"u8) && json.Read())
                {
                    code = json.GetInt32();
                }
                else if (json.ValueTextEquals("err_code"u8) && json.Read())
                {
                    errorCode = json.GetInt32();
                }
                else if (json.ValueTextEquals("description"u8) && json.Read())
                {
                    description = json.GetString() ?? "";
                }
            }
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or FormatException)
        {
            return new(PublishStatus.Unknown, new TransportException($"Cannot {Doing} on NATS at {_where}: the answer cannot be read.", TransportError.Other, e));
        }

        if (code == 0)
        {
            return stored
                ? new(duplicate ? PublishStatus.Duplicate : PublishStatus.Stored)
                : new(PublishStatus.Unknown, new TransportException(
                    $"Cannot {Doing} on NATS at {_where}: something else than a stream answers on this subject.", TransportError.TopologyMismatch));
        }

        // The server says that it has not stored it.
        var error = NatsErrors.OfAnswer(code, errorCode, description, Doing, _where);
        return new(error.IsTransient ? PublishStatus.NotSent : PublishStatus.Rejected, error);
    }
}
