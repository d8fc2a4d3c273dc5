using System.Text.Json;
using Postrider.Core.Hosting;
using Postrider.Core.State;
using Postrider.Core.Supervision;
using Postrider.Core.Transport;

namespace Postrider.Core.FlowControl;

/// <summary>Pauses are entries of the state store, one for each queue; <see cref="QueueGate"/> obeys them.</summary>
internal sealed class QueueControl(HostState state, HostIdentity self, TimeProvider time) : IQueueControl
{
    public const string Prefix = "pauses";

    private const int LongestReason = 1000;

    public async ValueTask PauseAsync(string queue, string? reason, CancellationToken cancellationToken)
    {
        Names.CheckQueue(queue);
        var store = Store;
        var why = reason?.Length > LongestReason ? reason[..LongestReason] : reason;
        while (true)
        {
            var entry = await store.GetAsync(Key(queue), cancellationToken).ConfigureAwait(false);
            var paused = (entry is null ? null : StateJson.Read(entry, StateJson.Default.PausedQueue)) ?? new(queue, why, self.ToString(), time.GetUtcNow());
            var value = JsonSerializer.SerializeToUtf8Bytes(paused with { Reason = why }, StateJson.Default.PausedQueue);
            if (await store.PutAsync(Key(queue), value, entry?.Revision ?? 0, Timeout.InfiniteTimeSpan, cancellationToken).ConfigureAwait(false) is not null)
            {
                return;
            }
        }
    }

    public async ValueTask<bool> ResumeAsync(string queue, CancellationToken cancellationToken)
    {
        Names.CheckQueue(queue);
        var store = Store;
        while (await store.GetAsync(Key(queue), cancellationToken).ConfigureAwait(false) is { } entry)
        {
            if (await store.DeleteAsync(Key(queue), entry.Revision, cancellationToken).ConfigureAwait(false))
            {
                await CircuitBreaker.CloseAsync(store, queue, cancellationToken).ConfigureAwait(false);
                return true;
            }
        }

        return await CircuitBreaker.CloseAsync(store, queue, cancellationToken).ConfigureAwait(false);
    }

    public async ValueTask<IReadOnlyList<PausedQueue>> GetPausedAsync(CancellationToken cancellationToken)
    {
        var entries = await Store.ListAsync(Prefix, cancellationToken).ConfigureAwait(false);
        return [.. entries.Values.Select(static entry => StateJson.Read(entry, StateJson.Default.PausedQueue)).OfType<PausedQueue>()
            .OrderBy(static paused => paused.Queue, StringComparer.Ordinal)];
    }

    public ValueTask<IReadOnlyList<OpenCircuit>> GetOpenCircuitsAsync(CancellationToken cancellationToken) => CircuitBreaker.ListAsync(Store, cancellationToken);

    public static string Key(string queue) => $"{Prefix}.{queue}";

    private IStateStore Store => state.Require("Pausing queues");
}
