using Microsoft.Extensions.Logging;
using Postrider.Core.Diagnostics;
using Postrider.Core.Transport;

namespace Postrider.Core.Hosting;

/// <summary>Looks how much is left on a transport that is being drained, and tells when nothing is, or when something comes again.</summary>
internal sealed class DrainWatch(NamedTransport transport, TimeProvider time, ILogger logger)
{
    /// <summary>How many looks in a row must find nothing: a message may be between two places of the broker at one of them.</summary>
    private const int Looks = 3;

    private static readonly TimeSpan Shortest = TimeSpan.FromSeconds(1);

    /// <summary>A look takes at most this share of the time, so that counting long queues is no load.</summary>
    private const int Share = 20;

    /// <exception cref="OperationCanceledException">Stopped.</exception>
    public async Task RunAsync(CancellationToken stop)
    {
        if (transport.Transport is not IQueueDepth)
        {
            logger.CannotCount(transport.Name);
            return;
        }

        var empty = 0;
        while (true)
        {
            var began = time.GetTimestamp();
            try
            {
                var (messages, deadLetters) = await LookAsync(stop).ConfigureAwait(false);
                empty = messages == 0 ? empty + 1 : 0;
                Tell(messages, deadLetters, empty >= Looks);
            }
            catch (TransportException e)
            {
                // The supervisors of its queues tell of outages; here it is only not known.
                empty = 0;
                logger.NotCounted(transport.Name, e.Message);
            }

            var pause = time.GetElapsedTime(began) * Share;
            await Task.Delay(pause > Shortest ? pause : Shortest, time, stop).ConfigureAwait(false);
        }
    }

    private async ValueTask<(long Messages, long DeadLetters)> LookAsync(CancellationToken cancellationToken)
    {
        var (messages, deadLetters) = (0L, 0L);
        foreach (var queue in transport.Drained.Select(static one => one.Name))
        {
            messages += (await ((IQueueDepth)transport.Transport).DepthAsync(queue, cancellationToken).ConfigureAwait(false)).Total;
            if (transport.Transport is IDeadLetterAccess access)
            {
                deadLetters += await access.CountAsync(queue, cancellationToken).ConfigureAwait(false);
            }
        }

        return (messages, deadLetters);
    }

    private void Tell(long messages, long deadLetters, bool isDrained)
    {
        var was = transport.Status.Drain!.IsDrained;
        transport.Status.Drain = new(messages, deadLetters, isDrained);
        if (isDrained && !was)
        {
            logger.TransportDrained(transport.Name, transport.Drained.Count(), deadLetters);
        }
        else if (was && !isDrained)
        {
            logger.FilledAgain(transport.Name, messages);
        }
    }
}
