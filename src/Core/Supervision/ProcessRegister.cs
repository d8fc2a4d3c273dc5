using System.Text.Json;
using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using Postrider.Core.Diagnostics;
using Postrider.Core.State;

namespace Postrider.Core.Supervision;

/// <summary>
/// Keeps this host's entry in the register of processes alive, and knows the others. A host whose entry has expired was taken for dead: it stops consuming,
/// since others may have taken its place, and goes on under a new id.
/// </summary>
internal sealed class ProcessRegister(
    SharedState shared, HostIdentity self, Func<MessagingProcess, MessagingProcess> describe, MessagingOptions options, Action<MessagingEvent> tell, TimeProvider time, ILogger logger)
{
    public const string Prefix = "processes";

    private static readonly TimeSpan Farewell = TimeSpan.FromSeconds(2);

    private readonly StateView _view = shared.View(Prefix);
    private readonly Channel<bool> _soon = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
    private volatile Parsed? _others;

    /// <summary>The key of this host's entry before it was taken for dead: views may still have it.</summary>
    private volatile string? _keyBefore;
    private TaskCompletionSource _reaped = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private long _revision;

    public StateView View => _view;

    /// <summary>Completes when the others have taken this one for dead.</summary>
    public Task Reaped => _reaped.Task;

    /// <summary>Whether an entry is, or was, that of this host.</summary>
    public bool IsOwn(string key) => key == Key || key == _keyBefore;

    /// <summary>Something has changed that others should know before the next heartbeat.</summary>
    public void Tell() => _soon.Writer.TryWrite(true);

    /// <summary>Whether another live process with a higher priority receives from the queue, or is about to.</summary>
    public bool HasHigher(string queue, int priority)
    {
        foreach (var process in Others())
        {
            foreach (var one in process.Queues)
            {
                if (one.Queue == queue && one.ConsumerPriority > priority && one.State is QueueState.Receiving or QueueState.Standby)
                {
                    return true;
                }
            }
        }

        return false;
    }

    /// <summary>How many processes receive from the queue, this one included.</summary>
    public int CountOf(string queue)
    {
        var count = 1;
        foreach (var process in Others())
        {
            foreach (var one in process.Queues)
            {
                count += one.Queue == queue && one.State == QueueState.Receiving ? 1 : 0;
            }
        }

        return count;
    }

    /// <summary>Heartbeats until stopped, and leaves then.</summary>
    public async Task RunAsync(CancellationToken stop)
    {
        var told = false;
        while (!stop.IsCancellationRequested)
        {
            try
            {
                await BeatAsync(stop).ConfigureAwait(false);
                told = false;
            }
            catch (StateStoreException e)
            {
                if (!told)
                {
                    logger.HeartbeatFailed(e.Message);
                }

                told = true;
            }
            catch (OperationCanceledException)
            {
                break;
            }

            await WaitAsync(stop).ConfigureAwait(false);
        }

        await LeaveAsync().ConfigureAwait(false);
    }

    private async Task BeatAsync(CancellationToken stop)
    {
        var process = Describe();
        var value = JsonSerializer.SerializeToUtf8Bytes(process, StateJson.Default.MessagingProcess);
        var revision = await shared.Store.PutAsync(Key, value, _revision, options.ProcessTimeToLive, stop).ConfigureAwait(false);
        if (revision is null)
        {
            // An earlier heartbeat may have been written without our knowing; whatever else is there, or nothing, means that we were taken for dead.
            var entry = await shared.Store.GetAsync(Key, stop).ConfigureAwait(false);
            if (entry is null && _revision != 0)
            {
                _keyBefore = Key;
                self.Renew();
                _revision = 0;
                logger.Reaped(process.Id, self.Id);
                tell(new ProcessReaped(process, IsThis: true));
                Interlocked.Exchange(ref _reaped, new(TaskCreationOptions.RunContinuationsAsynchronously)).TrySetResult();
                Tell();
                return;
            }

            _revision = entry?.Revision ?? 0;
            Tell();
            return;
        }

        if (_revision == 0)
        {
            logger.Registered(self.Id, self.ToString());
            tell(new ProcessRegistered(process, IsThis: true));
        }

        _revision = revision.Value;
    }

    private async Task WaitAsync(CancellationToken stop)
    {
        using var limit = new CancellationTokenSource(options.HeartbeatInterval, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(stop, limit.Token);
        try
        {
            await _soon.Reader.ReadAsync(either.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            // It is time.
        }
    }

    private async Task LeaveAsync()
    {
        if (_revision == 0)
        {
            return;
        }

        try
        {
            using var limit = new CancellationTokenSource(Farewell, time);
            await shared.Store.DeleteAsync(Key, _revision, limit.Token).ConfigureAwait(false);
            tell(new ProcessLeft(Describe(), IsThis: true));
        }
        catch (Exception e) when (e is StateStoreException or OperationCanceledException)
        {
            // It expires by itself.
        }
    }

    private string Key => $"{Prefix}.{self.Id}";

    private MessagingProcess Describe() => describe(new()
    {
        Id = self.Id,
        Name = self.Name,
        Host = self.Host,
        ProcessId = self.ProcessId,
        Version = self.Version,
        StartedAt = self.StartedAt,
        HeartbeatAt = time.GetUtcNow(),
        TimeToLive = options.ProcessTimeToLive,
        MemoryBytes = Environment.WorkingSet,
    });

    /// <summary>Read once for each change, however many ask.</summary>
    private IReadOnlyList<MessagingProcess> Others()
    {
        var (others, entries) = (_others, _view.Entries);
        if (others is null || !ReferenceEquals(others.Entries, entries))
        {
            _others = others = new(entries, [.. Read(entries.Where(one => !IsOwn(one.Key)).Select(static one => one.Value))]);
        }

        return others.Processes;
    }

    public static IEnumerable<MessagingProcess> Read(IEnumerable<StateEntry> entries) =>
        entries.Select(static entry => StateJson.Read(entry, StateJson.Default.MessagingProcess)).OfType<MessagingProcess>();

    private sealed record Parsed(IReadOnlyDictionary<string, StateEntry> Entries, IReadOnlyList<MessagingProcess> Processes);
}
