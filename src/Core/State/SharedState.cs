using Microsoft.Extensions.Logging;

namespace Postrider.Core.State;

/// <summary>The host's views of its state store: each part is watched from its first use on.</summary>
internal sealed class SharedState(IStateStore store, ILogger logger) : IAsyncDisposable
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, StateView> _views = new(StringComparer.Ordinal);

    public IStateStore Store => store;

    public StateView View(string prefix)
    {
        lock (_gate)
        {
            if (!_views.TryGetValue(prefix, out var view))
            {
                _views.Add(prefix, view = new(store, prefix, TimeProvider.System, logger));
            }

            return view;
        }
    }

    /// <param name="name">What is to be held by one process at a time.</param>
    /// <param name="holder">Who wants it: a process, by its id.</param>
    public StateLock Lock(string name, string holder) => new(store, View(StateLock.Prefix), name, holder, TimeProvider.System, logger);

    public async ValueTask DisposeAsync()
    {
        foreach (var view in _views.Values)
        {
            await view.DisposeAsync().ConfigureAwait(false);
        }
    }
}
