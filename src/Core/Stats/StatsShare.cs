using Microsoft.Extensions.Logging;
using Postrider.Core.Diagnostics;
using Postrider.Core.Hosting;
using Postrider.Core.State;
using Postrider.Core.Supervision;

namespace Postrider.Core.Stats;

/// <summary>Lets the other processes of the application see this host's numbers, and reads theirs: an entry each in the state store, which dies with its process.</summary>
internal sealed class StatsShare(HostState state, HostIdentity self, ILoggerFactory loggers)
{
    public static readonly TimeSpan Interval = TimeSpan.FromSeconds(10);

    private const string Prefix = "stats";
    private static readonly TimeSpan Life = TimeSpan.FromSeconds(30);

    private readonly ILogger _logger = new SafeLogger(loggers.CreateLogger("Postrider"));
    /// <summary>It keeps it, also when the process register gives it another id.</summary>
    private readonly string _key = $"{Prefix}.{self.Id}";
    private long _revision;
    private bool _isKnown = true;
    private bool _isAway;

    public bool IsPossible => state.Store is not null;

    /// <summary>Puts this host's numbers where the others see them. Not for more than one caller at a time.</summary>
    public async ValueTask PutAsync(StatsSnapshot snapshot, CancellationToken cancellationToken)
    {
        var value = StatsValue.Write(snapshot, StateKey.MaxValueBytes);
        if (value is null)
        {
            _logger.StatsTooLarge(snapshot.Handling.Length, snapshot.Publishing.Length);
            return;
        }

        try
        {
            // It may have expired, and after an error it may or may not have been put.
            for (var tries = 0; tries < 2; tries++)
            {
                var revision = _isKnown ? _revision : (await state.Store!.GetAsync(_key, cancellationToken).ConfigureAwait(false))?.Revision ?? 0;
                _isKnown = false;
                if (await state.Store!.PutAsync(_key, value, revision, Life, cancellationToken).ConfigureAwait(false) is { } put)
                {
                    (_revision, _isKnown) = (put, true);
                    break;
                }
            }

            _isAway = false;
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested)
        {
            Tell(e);
        }
    }

    /// <summary>This host has ended.</summary>
    /// <exception cref="StateStoreException">The store cannot be asked; the entry expires.</exception>
    public async ValueTask RemoveAsync(CancellationToken cancellationToken)
    {
        if (_revision > 0)
        {
            await state.Store!.DeleteAsync(_key, _revision, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <exception cref="StateStoreException">The store cannot be asked.</exception>
    public async ValueTask<IReadOnlyList<StatsSnapshot>> ReadOthersAsync(CancellationToken cancellationToken)
    {
        if (state.Store is not { } store)
        {
            return [];
        }

        var others = new List<StatsSnapshot>();
        foreach (var (key, entry) in await store.ListAsync(Prefix, cancellationToken).ConfigureAwait(false))
        {
            if (key == _key)
            {
                continue;
            }

            if (StatsValue.Read(entry.Value.Span) is { } snapshot)
            {
                others.Add(snapshot);
            }
            else
            {
                _logger.StatsUnreadable(key);
            }
        }

        return others;
    }

    /// <summary>Once an outage.</summary>
    private void Tell(Exception error)
    {
        if (!_isAway)
        {
            _logger.StatsNotShared(error.Message);
        }

        _isAway = true;
    }
}
