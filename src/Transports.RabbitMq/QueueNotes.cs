using System.Text;
using RabbitMQ.Client;

namespace Postrider.Transports.RabbitMq;

/// <summary>
/// Notes queues without bindings in the stream <c>postrider.bindings</c>, so that they can be listed. A broker that is short of memory or disk declares queues and takes no
/// messages: so a declaration waits for its notes for a while only, and they have a connection of their own, which nobody else is held up by.
/// </summary>
internal sealed class QueueNotes(Connections connections) : IAsyncDisposable
{
    /// <summary>The first stream of a broker takes four seconds.</summary>
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(6);

    private static readonly TimeSpan FirstPause = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(30);

    private readonly Lock _lock = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly HashSet<string> _waiting = new(StringComparer.Ordinal);
    private readonly HashSet<string> _noted = new(StringComparer.Ordinal);
    private Task? _noting;

    public async ValueTask AddAsync(IEnumerable<string> queues, CancellationToken cancellationToken)
    {
        Task noting;
        lock (_lock)
        {
            _waiting.UnionWith(queues.Where(queue => !_noted.Contains(queue)));
            if (_waiting.Count == 0)
            {
                return;
            }

            noting = _noting ??= Task.Run(NoteAsync, CancellationToken.None);
        }

        try
        {
            await noting.WaitAsync(Grace, TimeProvider.System, cancellationToken).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            // They are found a little later.
        }
    }

    /// <summary>What is not noted by now is noted when it is declared again.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await (_noting ?? Task.CompletedTask).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    /// <summary>Until all are noted, the transport is disposed of, or trying again cannot help, as without the right to it.</summary>
    private async Task NoteAsync()
    {
        var pause = FirstPause;
        while (Next() is { } queues)
        {
            try
            {
                await NoteAsync(queues).ConfigureAwait(false);
                lock (_lock)
                {
                    _noted.UnionWith(queues);
                    _waiting.ExceptWith(queues);
                }
            }
            catch (Exception e) when (!_stop.IsCancellationRequested && connections.Failed(e, "note queues").IsTransient)
            {
                await Task.Delay(pause, TimeProvider.System, _stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                pause = pause * 2 < LongestPause ? pause * 2 : LongestPause;
            }
            catch (Exception)
            {
                lock (_lock)
                {
                    _waiting.ExceptWith(queues);
                }
            }
        }
    }

    private string[]? Next()
    {
        lock (_lock)
        {
            if (_waiting.Count > 0 && !_stop.IsCancellationRequested)
            {
                return [.. _waiting];
            }

            _noting = null;
            return null;
        }
    }

    private async Task NoteAsync(string[] queues)
    {
        await BindingRegistry.DeclareStreamAsync(connections, _stop.Token).ConfigureAwait(false);
        var link = connections.NewLink("notes");
        await using (link.ConfigureAwait(false))
        {
            var connection = await link.GetAsync(_stop.Token).ConfigureAwait(false);
            var channel = await connection.CreateChannelAsync(
                new(publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: true), _stop.Token).ConfigureAwait(false);
            foreach (var queue in queues)
            {
                await channel.BasicPublishAsync(
                    "", BindingRegistry.Stream, mandatory: true, new BasicProperties { ContentType = "text/plain", Persistent = true },
                    Encoding.ASCII.GetBytes($"{BindingRegistry.NoTopic} {queue}"), _stop.Token).ConfigureAwait(false);
            }

            // The channel ends with its connection: its own farewell would wait for a broker that does not listen.
        }
    }
}
