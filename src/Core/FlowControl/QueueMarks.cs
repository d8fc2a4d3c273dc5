using Postrider.Core.State;
using Postrider.Core.Stats;

namespace Postrider.Core.FlowControl;

/// <summary>Which queues are paused, and whose circuit breakers are not closed, as far as this host knows without asking. Thread-safe.</summary>
internal sealed class QueueMarks
{
    private volatile StateView? _pauses;
    private volatile StateView? _circuits;

    public void Follow(StateView? pauses, StateView? circuits) => (_pauses, _circuits) = (pauses, circuits);

    public bool IsPaused(string queue) => _pauses?.Entries.ContainsKey(QueueControl.Key(queue)) == true;

    public CircuitState CircuitOf(string queue) => _circuits?.Entries is { } entries ? CircuitBreaker.StateOf(queue, entries) : CircuitState.Closed;
}
