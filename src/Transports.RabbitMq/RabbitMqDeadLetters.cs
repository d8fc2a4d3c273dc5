using System.Diagnostics;
using System.Globalization;
using System.Runtime.ExceptionServices;
using Postrider.Core.Transport;
using RabbitMQ.Client;

namespace Postrider.Transports.RabbitMq;

/// <summary>Looks into dead-letter queues by taking all messages and giving them back, since AMQP has nothing else.</summary>
/// <remarks>
/// What is given back comes back in another order (seen on 3.10), so the order here is that of the times when they became dead letters, and a position is that
/// time and the id. Each look shows the messages to nobody else meanwhile and raises their count of hand-outs. They go back when the channel closes.
/// </remarks>
internal sealed class RabbitMqDeadLetters(Connections connections)
{
    /// <summary>How many are put into their order at once, and held in memory, when all are visited.</summary>
    private const int Batch = 10_000;

    private static readonly TimeSpan LongestReturn = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan Moment = TimeSpan.FromMilliseconds(5);

    public async ValueTask<long> CountAsync(string queue, CancellationToken cancellationToken) => await connections.WithChannelAsync(
        $"count dead letters of '{queue}'", channel => CountAsync(channel, Of(queue)), cancellationToken).ConfigureAwait(false);

    public ValueTask<IReadOnlyList<StoredDeadLetter>> ListAsync(string queue, string? after, int max, CancellationToken cancellationToken) => LookAsync(
        queue, $"list dead letters of '{queue}'",
        async (channel, name) =>
        {
            var found = new SortedSet<Held>();
            while (await NextAsync(channel, name).ConfigureAwait(false) is { } next)
            {
                if (after is null || Held.Compare(next.Letter.Position, after) > 0)
                {
                    found.Add(next);
                    if (found.Count > max)
                    {
                        found.Remove(found.Max!);
                    }
                }
            }

            return ((IReadOnlyList<StoredDeadLetter>)[.. found.Select(static one => one.Letter)], 0);
        },
        cancellationToken);

    public ValueTask<StoredDeadLetter?> FindAsync(string queue, string position, CancellationToken cancellationToken) => LookAsync(
        queue, $"find a dead letter of '{queue}'",
        async (channel, name) => ((await FindAsync(channel, name, position).ConfigureAwait(false))?.Letter, 0),
        cancellationToken);

    public ValueTask<bool> DeleteAsync(string queue, string position, CancellationToken cancellationToken) => LookAsync(
        queue, $"delete a dead letter of '{queue}'",
        async (channel, name) =>
        {
            if (await FindAsync(channel, name, position).ConfigureAwait(false) is not { } found)
            {
                return (false, 0);
            }

            await channel.BasicAckAsync(found.Tag, multiple: false).ConfigureAwait(false);
            return (true, 1);
        },
        cancellationToken);

    public async ValueTask<long> VisitAsync(string queue, Func<StoredDeadLetter, ValueTask<bool>> remove, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        ExceptionDispatchInfo? failure = null;
        // The token ends it between two messages: one that is being replayed is finished.
        var removed = await LookAsync(
            queue, $"go through dead letters of '{queue}'",
            async (channel, name) =>
            {
                var (left, removed) = (await CountAsync(channel, name).ConfigureAwait(false), 0);
                while (left > 0 && failure is null)
                {
                    var some = await NextAsync(channel, name, (int)Math.Min(Batch, left)).ConfigureAwait(false);
                    left = some.Count < Batch ? 0 : left - some.Count;
                    foreach (var held in some)
                    {
                        try
                        {
                            cancellationToken.ThrowIfCancellationRequested();
                            if (!await remove(held.Letter).ConfigureAwait(false))
                            {
                                continue;
                            }
                        }
                        catch (Exception e)
                        {
                            // It is the caller's, and no failure of the channel.
                            failure = ExceptionDispatchInfo.Capture(e);
                            break;
                        }

                        await channel.BasicAckAsync(held.Tag, multiple: false).ConfigureAwait(false);
                        removed++;
                    }
                }

                return (removed, removed);
            },
            CancellationToken.None).ConfigureAwait(false);
        failure?.Throw();
        return removed;
    }

    private static async Task<Held?> FindAsync(IChannel channel, string queue, string position)
    {
        while (await NextAsync(channel, queue).ConfigureAwait(false) is { } next)
        {
            if (next.Letter.Position == position)
            {
                return next;
            }
        }

        return null;
    }

    /// <summary>The next ones, at most so many, in their order.</summary>
    private static async Task<List<Held>> NextAsync(IChannel channel, string queue, int count)
    {
        var some = new List<Held>();
        while (some.Count < count && await NextAsync(channel, queue).ConfigureAwait(false) is { } next)
        {
            some.Add(next);
        }

        some.Sort();
        return some;
    }

    private static async ValueTask<Held?> NextAsync(IChannel channel, string queue)
    {
        if (await channel.BasicGetAsync(queue, autoAck: false).ConfigureAwait(false) is not { } got)
        {
            return null;
        }

        var envelope = EnvelopeReader.Read(got.Exchange, got.RoutingKey, got.BasicProperties, got.Body.ToArray(), out _);
        var at = envelope.DeadLetter?.At.UtcTicks ?? 0;
        return new(got.DeliveryTag, new(string.Create(CultureInfo.InvariantCulture, $"{at:D19}:{envelope.Id}"), envelope));
    }

    private static async Task<long> CountAsync(IChannel channel, string queue) =>
        (await channel.QueueDeclarePassiveAsync(queue).ConfigureAwait(false)).MessageCount;

    private static string Of(string queue) => Names.WhyIllegalQueue(queue) is { } why ? throw new MessagingConfigurationException(why) : Names.DeadLetterQueue(queue);

    /// <summary>Does something on a channel, and waits until what it held and did not remove is there again: whoever looks next must not miss it.</summary>
    private async ValueTask<T> LookAsync<T>(
        string queue, string doing, Func<IChannel, string, Task<(T Result, int Removed)>> look, CancellationToken cancellationToken)
    {
        var name = Of(queue);
        var (result, left) = await connections.WithChannelAsync(
            doing,
            async channel =>
            {
                // If there is no such queue, this tells.
                var before = await CountAsync(channel, name).ConfigureAwait(false);
                var (result, removed) = await look(channel, name).ConfigureAwait(false);
                return (result, before - removed);
            },
            cancellationToken).ConfigureAwait(false);
        if (left > 0)
        {
            await connections.WithChannelAsync(doing, channel => AreBackAsync(channel, name, left), cancellationToken).ConfigureAwait(false);
        }

        return result;
    }

    private static async Task<bool> AreBackAsync(IChannel channel, string queue, long count)
    {
        var began = Stopwatch.GetTimestamp();
        while (await CountAsync(channel, queue).ConfigureAwait(false) < count)
        {
            if (Stopwatch.GetElapsedTime(began) > LongestReturn)
            {
                // Somebody else has taken some.
                return false;
            }

            await Task.Delay(Moment, TimeProvider.System).ConfigureAwait(false);
        }

        return true;
    }

    /// <summary>A message that is the channel's.</summary>
    private sealed record Held(ulong Tag, StoredDeadLetter Letter) : IComparable<Held>
    {
        public static int Compare(string position, string other) => string.CompareOrdinal(position, other);

        /// <summary>By position; copies of one message that are alike in that too, by their tags.</summary>
        public int CompareTo(Held? other) =>
            other is null ? 1 : Compare(Letter.Position, other.Letter.Position) is not 0 and var order ? order : Tag.CompareTo(other.Tag);
    }
}
