using System.Collections.Concurrent;
using System.Text;
using Postrider.Core.Transport;
using RabbitMQ.Client;

namespace Postrider.Transports.RabbitMq;

/// <summary>
/// Which queues a topic leads to, for delayed publishes, whose bindings are resolved at once: AMQP can route by bindings but not list them.
/// So each declaration notes its bindings in the stream <c>postrider.bindings</c>, a line <c>PATTERN QUEUE</c> each, and a delayed publish
/// reads that to its end. Nor can AMQP list queues: one without bindings is noted with a pattern that no topic matches.
/// </summary>
/// <remarks>
/// The broker does not tell exactly where a stream ends (its count lags), so the reader appends a mark and reads until it comes. All who
/// wait share one mark. So that marks do not pile up, the stream keeps its last few megabytes only, and whoever finds a binding whose note lies
/// <see cref="Reach"/> entries back notes it again.
/// </remarks>
internal sealed class BindingRegistry(Connections connections, RabbitMqPublisher publisher, TimeSpan timeout, bool create) : IAsyncDisposable
{
    /// <summary>About two megabytes of marks; the stream keeps four times as much.</summary>
    private const long Reach = 10_000;

    private const int KeptBytes = 8 * 1024 * 1024;
    private const int SegmentBytes = 1024 * 1024;

    public const string Stream = "postrider.bindings";
    private const char Mark = '?';

    /// <summary>Stands for a pattern where a queue has none.</summary>
    public const string NoTopic = "=";

    /// <summary>How long nothing may come before a stream is read anew, the first time.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);

    private readonly SemaphoreSlim _one = new(1, 1);
    private readonly Lock _lock = new();
    private Task? _next;
    private Reader? _reader;
    private bool _isSecured;

    /// <summary>Notes what is not noted yet.</summary>
    public async ValueTask AddAsync(IReadOnlyList<Binding> bindings, CancellationToken cancellationToken)
    {
        var reader = await ReadToEndAsync(cancellationToken).ConfigureAwait(false);
        await NoteAsync([.. bindings.Where(binding => !reader.Knows(binding)).Concat(reader.Old()).Distinct()], cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Makes the stream exist.</summary>
    public static async ValueTask DeclareStreamAsync(Connections connections, CancellationToken cancellationToken)
    {
        await FirstStream.SecureAsync(connections, Stream, cancellationToken).ConfigureAwait(false);
        await connections.WithChannelAsync("declare a stream", DeclareStreamAsync, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>The queues that were bound to the topic when this was called.</summary>
    public async ValueTask<List<string>> ResolveAsync(string topic, CancellationToken cancellationToken)
    {
        var reader = await ReadToEndAsync(cancellationToken).ConfigureAwait(false);
        await NoteAsync(reader.Old(), cancellationToken).ConfigureAwait(false);
        return reader.Match(topic);
    }

    /// <summary>The queues that were noted when this was called. Some may be deleted.</summary>
    public async ValueTask<IReadOnlyCollection<string>> QueuesAsync(CancellationToken cancellationToken)
    {
        var reader = await ReadToEndAsync(cancellationToken).ConfigureAwait(false);
        await NoteAsync(reader.Old(), cancellationToken).ConfigureAwait(false);
        return reader.Queues;
    }

    /// <summary>All bindings of these queues that were noted when this was called.</summary>
    public async ValueTask<List<Binding>> OfAsync(IReadOnlySet<string> queues, CancellationToken cancellationToken) =>
        (await ReadToEndAsync(cancellationToken).ConfigureAwait(false)).Of(queues);

    public ValueTask DisposeAsync() => CloseAsync();

    private async ValueTask NoteAsync(Binding[] missing, CancellationToken cancellationToken)
    {
        if (missing.Length == 0)
        {
            return;
        }

        var results = new PublishResult[missing.Length];
        await publisher.SendAsync(Lines([.. missing.Select(static binding => $"{binding.Pattern} {binding.Queue}")]), results, cancellationToken)
            .ConfigureAwait(false);
        foreach (var result in results)
        {
            if (result.Status != PublishStatus.Stored)
            {
                cancellationToken.ThrowIfCancellationRequested();
                throw result.Error as TransportException
                    ?? new TransportException($"Cannot note bindings in '{Stream}' on RabbitMQ at {connections.Where}: {result.Status}.", TransportError.Unavailable);
            }
        }
    }

    /// <summary>Those who come while a mark is on its way share the next one, since that one may be before what they have to see.</summary>
    private async ValueTask<Reader> ReadToEndAsync(CancellationToken cancellationToken)
    {
        Task next;
        lock (_lock)
        {
            next = _next ??= Task.Run(MarkAsync, CancellationToken.None);
        }

        await next.WaitAsync(cancellationToken).ConfigureAwait(false);
        return _reader ?? throw new TransportException($"The reader of '{Stream}' on RabbitMQ at {connections.Where} was closed.", TransportError.Unavailable);
    }

    private async Task MarkAsync()
    {
        await _one.WaitAsync().ConfigureAwait(false);
        try
        {
            lock (_lock)
            {
                // From here on new ones wait for the next mark.
                _next = null;
            }

            if (create && !_isSecured)
            {
                await FirstStream.SecureAsync(connections, Stream, CancellationToken.None).ConfigureAwait(false);
                _isSecured = true;
            }

            using var limit = new CancellationTokenSource(timeout);
            try
            {
                for (var patience = Patience; !await TryMarkAsync(patience, limit.Token).ConfigureAwait(false); patience *= 2)
                {
                    await CloseAsync().ConfigureAwait(false);
                }
            }
            catch (Exception e) when (e is not ObjectDisposedException)
            {
                await CloseAsync().ConfigureAwait(false);
                throw connections.Failed(e, $"read '{Stream}'");
            }
        }
        finally
        {
            _one.Release();
        }
    }

    /// <summary>False when the broker has stopped to hand out the stream, which it does for good to a reader that its trimming has overtaken.</summary>
    private async ValueTask<bool> TryMarkAsync(TimeSpan patience, CancellationToken cancellationToken)
    {
        var reader = await OpenAsync(cancellationToken).ConfigureAwait(false);
        var mark = Mark + Guid.NewGuid().ToString("N");
        var seen = reader.Expect(mark);
        var results = new PublishResult[1];
        await publisher.SendAsync(Lines(mark), results, cancellationToken).ConfigureAwait(false);
        if (results[0].Status != PublishStatus.Stored)
        {
            throw results[0].Error ?? new TimeoutException();
        }

        while (true)
        {
            var end = reader.End;
            try
            {
                await seen.WaitAsync(patience, cancellationToken).ConfigureAwait(false);
                return true;
            }
            catch (TimeoutException)
            {
                if (reader.End == end)
                {
                    return false;
                }
            }
        }
    }

    private ValueTask CloseAsync() => Interlocked.Exchange(ref _reader, null) is { } reader ? reader.DisposeAsync() : default;

    private async ValueTask<Reader> OpenAsync(CancellationToken cancellationToken)
    {
        if (_reader is { IsOpen: true } open)
        {
            return open;
        }

        if (_reader is { } closed)
        {
            await closed.DisposeAsync().ConfigureAwait(false);
        }

        var connection = await connections.Consume.GetAsync(cancellationToken).ConfigureAwait(false);
        var channel = await connection.CreateChannelAsync(cancellationToken: CancellationToken.None).ConfigureAwait(false);
        var reader = new Reader(channel);
        _reader = reader;
        var declaring = create ? DeclareStreamAsync(channel) : channel.QueueDeclarePassiveAsync(Stream, CancellationToken.None);
        await declaring.ConfigureAwait(false);
        await channel.BasicQosAsync(0, Reader.Credit, global: false, CancellationToken.None).ConfigureAwait(false);
        await channel.BasicConsumeAsync(
            Stream, autoAck: false, "", noLocal: false, exclusive: false, new Dictionary<string, object?> { ["x-stream-offset"] = "first" }, reader,
            CancellationToken.None).ConfigureAwait(false);
        return reader;
    }

    private static Task<QueueDeclareOk> DeclareStreamAsync(IChannel channel) => channel.QueueDeclareAsync(
        Stream, durable: true, exclusive: false, autoDelete: false,
        new Dictionary<string, object?>
        {
            ["x-queue-type"] = "stream",
            ["x-max-length-bytes"] = KeptBytes,
            ["x-stream-max-segment-size-bytes"] = SegmentBytes,
        },
        cancellationToken: CancellationToken.None);

    private PublishCall Lines(params ReadOnlySpan<string> lines)
    {
        var call = publisher.Begin();
        foreach (var line in lines)
        {
            var envelope = new Envelope { Id = Guid.NewGuid().ToString("N"), ContentType = "text/plain", Body = Encoding.ASCII.GetBytes(line) };
            call.Add(new("", Stream, envelope, call.Count));
        }

        return call;
    }

    /// <summary>Follows the stream from its beginning.</summary>
    private sealed class Reader(IChannel channel) : AsyncDefaultBasicConsumer(channel), IAsyncDisposable
    {
        public const ushort Credit = 1000;

        /// <summary>Where each was noted last.</summary>
        private readonly ConcurrentDictionary<Binding, long> _known = new();

        private readonly ConcurrentDictionary<string, TaskCompletionSource> _expected = new(StringComparer.Ordinal);
        private long _end = -1;
        private int _unacked;

        public bool IsOpen => Channel.IsOpen;

        /// <summary>The offset that was read last, or -1.</summary>
        public long End => Volatile.Read(ref _end);

        public bool Knows(Binding binding) => _known.ContainsKey(binding);

        /// <summary>Those that have to be noted again before the stream forgets them.</summary>
        public Binding[] Old()
        {
            var end = End;
            return [.. _known.Where(one => end - one.Value > Reach).Select(static one => one.Key)];
        }

        public List<Binding> Of(IReadOnlySet<string> queues) => [.. _known.Keys.Where(binding => queues.Contains(binding.Queue) && binding.Pattern != NoTopic)];

        public HashSet<string> Queues => [.. _known.Keys.Select(static one => one.Queue)];

        public Task Expect(string mark)
        {
            var seen = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            _expected[mark] = seen;
            return seen.Task;
        }

        public List<string> Match(string topic)
        {
            var queues = new List<string>();
            foreach (var (binding, _) in _known)
            {
                if (!queues.Contains(binding.Queue) && TopicPattern.Matches(binding.Pattern, topic))
                {
                    queues.Add(binding.Queue);
                }
            }

            return queues;
        }

        public override async Task HandleBasicDeliverAsync(
            string consumerTag, ulong deliveryTag, bool redelivered, string exchange, string routingKey, IReadOnlyBasicProperties properties,
            ReadOnlyMemory<byte> body, CancellationToken cancellationToken = default)
        {
            var line = Encoding.UTF8.GetString(body.Span);
            var offset = properties.Headers is { } headers && headers.TryGetValue("x-stream-offset", out var value) && value is long at ? at : _end;
            Volatile.Write(ref _end, offset);
            if (line.StartsWith(Mark))
            {
                if (_expected.TryRemove(line, out var seen))
                {
                    seen.TrySetResult();
                }
            }
            else if (line.IndexOf(' ', StringComparison.Ordinal) is > 0 and var space && Names.WhyIllegalQueue(line[(space + 1)..]) is null)
            {
                _known[new(line[..space], line[(space + 1)..])] = offset;
            }

            if (++_unacked >= Credit / 4)
            {
                // Everything up to here, and all of it was read here.
                _unacked = 0;
                await Channel.BasicAckAsync(deliveryTag, multiple: true, CancellationToken.None).ConfigureAwait(false);
            }
        }

        public override Task HandleChannelShutdownAsync(object channel, RabbitMQ.Client.Events.ShutdownEventArgs reason)
        {
            foreach (var (_, seen) in _expected)
            {
                seen.TrySetException(new RabbitMQ.Client.Exceptions.AlreadyClosedException(reason));
            }

            return base.HandleChannelShutdownAsync(channel, reason);
        }

        public async ValueTask DisposeAsync()
        {
            try
            {
                await Channel.AbortAsync().ConfigureAwait(false);
                await Channel.DisposeAsync().ConfigureAwait(false);
            }
            catch (Exception)
            {
                // It is gone either way.
            }
        }
    }
}
