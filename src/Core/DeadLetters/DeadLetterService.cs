using System.Globalization;
using System.Runtime.CompilerServices;
using Postrider.Core.Hosting;
using Postrider.Core.Transport;

namespace Postrider.Core.DeadLetters;

/// <summary>Dead letters over whatever the transport can: everything but looking and removing is the same on all of them.</summary>
internal sealed class DeadLetterService(TransportSet transports, MessagingOptions messaging, TimeProvider time) : IDeadLetters
{
    private const int Page = 100;

    /// <summary>Slower is no rate.</summary>
    private const double OneADay = 1d / (24 * 60 * 60);

    public IReadOnlyList<string> Queues =>
        [.. transports.All.SelectMany(static one => one.Queues.Select(queue => queue.IsDrained ? $"{queue.Name}@{one.Name}" : queue.Name))];

    public ValueTask<long> CountAsync(string queue, CancellationToken cancellationToken)
    {
        var place = Find(queue);
        return place.Access.CountAsync(place.Queue, cancellationToken);
    }

    public async IAsyncEnumerable<DeadLetter> ListAsync(
        string queue, DeadLetterFilter? filter, string? after, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var place = Find(queue);
        while (true)
        {
            var page = await place.Access.ListAsync(place.Queue, after, Page, cancellationToken).ConfigureAwait(false);
            foreach (var stored in page)
            {
                var letter = new DeadLetter(queue, stored.Position, stored.Envelope);
                if (filter?.Matches(letter) != false)
                {
                    yield return letter;
                }
            }

            if (page.Count < Page)
            {
                yield break;
            }

            after = page[^1].Position;
        }
    }

    public async ValueTask<DeadLetter?> FindAsync(string queue, string position, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(position);
        var place = Find(queue);
        return await place.Access.FindAsync(place.Queue, position, cancellationToken).ConfigureAwait(false) is { } stored
            ? new(queue, stored.Position, stored.Envelope)
            : null;
    }

    public async ValueTask<bool> ReplayAsync(DeadLetter letter, ReplayOptions? options, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(letter);
        var place = Find(letter.Queue);
        if (await place.Access.FindAsync(place.Queue, letter.Position, cancellationToken).ConfigureAwait(false) is null)
        {
            return false;
        }

        await SendAgainAsync(letter, options ?? new()).ConfigureAwait(false);
        await place.Access.DeleteAsync(place.Queue, letter.Position, CancellationToken.None).ConfigureAwait(false);
        return true;
    }

    public ValueTask<long> ReplayAllAsync(string queue, DeadLetterFilter? filter, ReplayOptions? options, IProgress<long>? progress, CancellationToken cancellationToken)
    {
        options ??= new();
        if (options.MaxPerSecond is < OneADay or double.NaN)
        {
            throw new MessagingConfigurationException($"MaxPerSecond must be at least one a day; it is {options.MaxPerSecond}.");
        }

        var began = time.GetTimestamp();
        var sent = 0L;
        return EachAsync(
            queue, filter, progress,
            async letter =>
            {
                if (options.MaxPerSecond is { } most && TimeSpan.FromSeconds(sent / most) - time.GetElapsedTime(began) is var early && early > TimeSpan.Zero)
                {
                    await Task.Delay(early, time, cancellationToken).ConfigureAwait(false);
                }

                sent++;
                await SendAgainAsync(letter, options).ConfigureAwait(false);
            },
            cancellationToken);
    }

    public ValueTask<bool> DiscardAsync(DeadLetter letter, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(letter);
        var place = Find(letter.Queue);
        return place.Access.DeleteAsync(place.Queue, letter.Position, cancellationToken);
    }

    public ValueTask<long> DiscardAllAsync(string queue, DeadLetterFilter? filter, IProgress<long>? progress, CancellationToken cancellationToken) =>
        EachAsync(queue, filter, progress, static _ => ValueTask.CompletedTask, cancellationToken);

    public async ValueTask<long> ExportAsync(string queue, Stream output, DeadLetterFilter? filter, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(output);
        var count = 0L;
        await foreach (var letter in ListAsync(queue, filter, null, cancellationToken).ConfigureAwait(false))
        {
            await output.WriteAsync(DeadLetterLine.Write(letter.Envelope), cancellationToken).ConfigureAwait(false);
            count++;
        }

        return count;
    }

    public async ValueTask<long> ImportAsync(string queue, Stream input, IProgress<long>? progress, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(input);
        var place = Find(queue);
        var destination = Destination.Queue(Names.DeadLetterQueue(place.Queue));
        using var lines = new StreamReader(input, leaveOpen: true);
        var count = 0L;
        for (var number = 1L; await lines.ReadLineAsync(cancellationToken).ConfigureAwait(false) is { } line; number++)
        {
            if (!string.IsNullOrWhiteSpace(line))
            {
                // Whoever imports a file once more means it, so no line is a duplicate: neither of itself nor of another letter of the same message.
                await StoreAsync(place.Transport, new(destination, DeadLetterLine.Read(line, number)) { DuplicateId = $"import {Guid.NewGuid():N}" }).ConfigureAwait(false);
                count++;
                progress?.Report(count);
            }
        }

        return count;
    }

    private Place Find(string address)
    {
        var (queue, named) = transports.Locate(address);
        return new(queue, named.Transport);
    }

    /// <summary>Goes through those that are there now and fit, does something with each, and removes it.</summary>
    private ValueTask<long> EachAsync(
        string queue, DeadLetterFilter? filter, IProgress<long>? progress, Func<DeadLetter, ValueTask> first, CancellationToken cancellationToken)
    {
        var count = 0L;
        var place = Find(queue);
        return place.Access.VisitAsync(
            place.Queue,
            async stored =>
            {
                var letter = new DeadLetter(queue, stored.Position, stored.Envelope);
                if (filter?.Matches(letter) == false)
                {
                    return false;
                }

                await first(letter).ConfigureAwait(false);
                count++;
                progress?.Report(count);
                return true;
            },
            cancellationToken);
    }

    private ValueTask SendAgainAsync(DeadLetter letter, ReplayOptions options)
    {
        var now = time.GetUtcNow();
        var target = Find(options.Queue ?? letter.Queue);
        var envelope = letter.Envelope with
        {
            Attempt = 1,
            DeadLetter = null,
            ExpiresAt = null,
            Headers = new Dictionary<string, string>(letter.Envelope.Headers)
            {
                [DeadLetter.ReplayedFrom] = Names.DeadLetterQueue(Find(letter.Queue).Queue),
                [DeadLetter.ReplayedAt] = now.ToString("O", CultureInfo.InvariantCulture),
            },
        };
        var message = new OutgoingMessage(Destination.Queue(target.Queue), envelope, options.Delay)
        {
            DuplicateId = string.Create(CultureInfo.InvariantCulture, $"replay {Find(letter.Queue).Queue} {letter.Position} {letter.Info.At.UtcTicks}"),
        };
        return StoreAsync(target.Transport, message);
    }

    /// <summary>The caller's cancellation does not end it half-way, which would leave two: it takes at most the time of a publish.</summary>
    private async ValueTask StoreAsync(ITransport transport, OutgoingMessage message)
    {
        using var timeout = new CancellationTokenSource(messaging.PublishTimeout, time);
        var result = new PublishResult[1];
        await transport.PublishAsync(new[] { message }, result, timeout.Token).ConfigureAwait(false);
        var (status, error) = result[0];
        if (status is not (PublishStatus.Stored or PublishStatus.Duplicate))
        {
            throw new PublishException(
                $"The dead letter {message.Envelope.Id} was not stored in the {message.Destination} ({status}): {error?.Message ?? "nothing more is known."}",
                message.Envelope.Id, status, error);
        }
    }

    /// <summary>A queue and the transport that it is on.</summary>
    private readonly record struct Place(string Queue, ITransport Transport)
    {
        public IDeadLetterAccess Access => Transport as IDeadLetterAccess
            ?? throw new MessagingConfigurationException($"The transport '{Transport.Capabilities.System}' cannot look into dead-letter queues.");
    }
}
