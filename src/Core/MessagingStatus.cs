using System.Collections.Concurrent;

namespace Postrider;

/// <summary>What the messaging host is doing. Thread-safe; one per host, from dependency injection.</summary>
public sealed class MessagingStatus
{
    private readonly TaskCompletionSource _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly ConcurrentDictionary<string, QueueState> _queues = new(StringComparer.Ordinal);

    internal MessagingStatus()
    {
    }

    /// <summary>Completes when the broker was reached and the topology is declared. Fails with the error that stops the host.</summary>
    public Task Ready => _ready.Task;

    /// <summary>The last error of the connection, while there is one.</summary>
    public TransportException? Error { get; internal set; }

    /// <summary>The state of each consumed queue.</summary>
    public IReadOnlyDictionary<string, QueueState> Queues => _queues;

    /// <summary>The broker is reached and every queue is being received from.</summary>
    public bool IsHealthy
    {
        get
        {
            if (!Ready.IsCompletedSuccessfully)
            {
                return false;
            }

            foreach (var (_, state) in _queues)
            {
                if (state != QueueState.Receiving)
                {
                    return false;
                }
            }

            return true;
        }
    }

    internal bool IsStarted { get; set; }

    internal void SetReady()
    {
        Error = null;
        _ready.TrySetResult();
    }

    internal void SetFailed(TransportException error)
    {
        Error = error;
        if (_ready.TrySetException(error))
        {
            _ = _ready.Task.Exception; // observed: the host reports it
        }
    }

    internal void Set(string queue, QueueState state) => _queues[queue] = state;
}

/// <summary>The state of a consumed queue.</summary>
public enum QueueState
{
    /// <summary>Waiting for the broker for the first time.</summary>
    Starting,

    /// <summary>Deliveries are taken.</summary>
    Receiving,

    /// <summary>The broker is away; trying again.</summary>
    Reconnecting,

    /// <summary>Nothing is taken, since a message whose attempts are used up stopped the queue (<see cref="ExhaustedMessage.Stop"/>), until the host starts again.</summary>
    Paused,

    /// <summary>Taking no more; running handlers finish.</summary>
    Draining,

    /// <summary>Stopped.</summary>
    Stopped,
}
