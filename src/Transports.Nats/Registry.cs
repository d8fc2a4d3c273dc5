using System.Buffers;
using System.Collections.Concurrent;
using System.Globalization;
using System.Text.Json;
using Postrider.Core.Transport;

namespace Postrider.Transports.Nats;

/// <summary>Which patterns a queue is bound to, as the server has it.</summary>
/// <param name="Sequence">The message that says so: by it changes are compared and set.</param>
/// <param name="Patterns">In force.</param>
/// <param name="Adding">Being made: the consumer may already take them. Not routed by yet.</param>
internal sealed record Bindings(ulong Sequence, string[] Patterns, string[] Adding)
{
    public static readonly Bindings None = new(0, [], []);

    /// <summary>Whether a topic is for this queue.</summary>
    public bool Matches(string topic) => Matches(Patterns, topic) || Matches(Adding, topic);

    public static bool Matches(string[] patterns, string topic)
    {
        foreach (var pattern in patterns)
        {
            if (TopicPattern.Matches(pattern, topic))
            {
                return true;
            }
        }

        return false;
    }

    public byte[] Write()
    {
        var buffer = new ArrayBufferWriter<byte>(256);
        using var json = new Utf8JsonWriter(buffer);
        json.WriteStartObject();
        Write(json, "patterns", Patterns);
        Write(json, "adding", Adding);
        json.WriteEndObject();
        json.Flush();
        return buffer.WrittenSpan.ToArray();
    }

    public static Bindings Read(ulong sequence, byte[] body)
    {
        try
        {
            using var document = JsonDocument.Parse(body);
            return new(sequence, Read(document.RootElement, "patterns"), Read(document.RootElement, "adding"));
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return None with { Sequence = sequence };
        }
    }

    private static void Write(Utf8JsonWriter json, string name, string[] patterns)
    {
        json.WriteStartArray(name);
        foreach (var pattern in patterns)
        {
            json.WriteStringValue(pattern);
        }

        json.WriteEndArray();
    }

    private static string[] Read(JsonElement root, string name) => root.TryGetProperty(name, out var list)
        ? [.. list.EnumerateArray().Select(static one => one.GetString() ?? "")]
        : [];
}

/// <summary>The bindings of all queues: a copy of what is on the server, brought up to date by what was written since.</summary>
internal sealed class Registry(JetStreamApi api, Subjects subjects) : IDisposable
{
    // Topics may be made from data (orders.4711.placed): what is remembered must not grow with them.
    private const int MostRemembered = 1024;
    private const string Doing = "read the bindings";
    private readonly SemaphoreSlim _one = new(1, 1);
    private readonly ConcurrentDictionary<string, Bindings> _queues = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, bool> _levelled = new(StringComparer.Ordinal);
    private volatile ConcurrentDictionary<string, bool> _routed = new(StringComparer.Ordinal);
    private ulong _last;
    private long _asked;
    private long _answered;

    /// <summary>What was last read of a queue.</summary>
    public Bindings Of(string queue) => _queues.GetValueOrDefault(queue) ?? Bindings.None;

    /// <summary>Whether some queue gets the topic, as far as is known here. Bindings are never taken away, so yes is certain.</summary>
    public bool IsRouted(string topic)
    {
        var routed = _routed;
        if (routed.ContainsKey(topic))
        {
            return true;
        }

        foreach (var (_, bindings) in _queues)
        {
            if (Bindings.Matches(bindings.Patterns, topic))
            {
                if (routed.Count < MostRemembered)
                {
                    routed.TryAdd(topic, true);
                }

                return true;
            }
        }

        return false;
    }

    /// <summary>Whether the queue has levels, as far as is known here. They are never taken away, so yes is certain.</summary>
    public bool HasLevels(string queue) => _levelled.ContainsKey(queue);

    /// <summary>The queues that get a copy.</summary>
    public List<string> QueuesOf(string topic)
    {
        var found = new List<string>();
        foreach (var (queue, bindings) in _queues)
        {
            if (Bindings.Matches(bindings.Patterns, topic))
            {
                found.Add(queue);
            }
        }

        return found;
    }

    /// <summary>Reads what was written since the last time. Afterwards the copy is what the server had at the moment of this call, or later.</summary>
    public async ValueTask SyncAsync(CancellationToken cancellationToken)
    {
        var mine = Interlocked.Increment(ref _asked);
        await _one.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (_answered >= mine)
            {
                // Another began to read after this one had asked.
                return;
            }

            var asked = Interlocked.Read(ref _asked);
            while (true)
            {
                var which = string.Create(CultureInfo.InvariantCulture, $$"""{"seq":{{_last + 1}},"next_by_subj":"{{subjects.AllBindings}}"}""");
                var answer = await api.GetMessageAsync(subjects.BindingsStream, which, Doing, cancellationToken).ConfigureAwait(false);
                if (answer.IsError)
                {
                    if (answer.ErrorCode is NatsErrors.StreamNotFound)
                    {
                        Forget();
                        _answered = asked;
                        return;
                    }

                    if (answer.ErrorCode is NatsErrors.MessageNotFound or NatsErrors.SequenceNotFound)
                    {
                        _answered = asked;
                        return;
                    }

                    throw answer.Error(Doing, api.Links.Where);
                }

                var (name, bindings) = Read(answer);
                if (Subjects.QueueOfLevels(name) is { } levelled)
                {
                    _levelled[levelled] = true;
                }
                else
                {
                    _queues[name] = bindings;
                }

                _last = bindings.Sequence;
            }
        }
        finally
        {
            _one.Release();
        }
    }

    /// <summary>The bindings of one queue, from the server; null if it has none and never had.</summary>
    public async ValueTask<Bindings?> GetAsync(string queue, string doing, CancellationToken cancellationToken)
    {
        var which = $$"""{"last_by_subj":"{{subjects.OfBindings(queue)}}"}""";
        var answer = await api.GetMessageAsync(subjects.BindingsStream, which, doing, cancellationToken).ConfigureAwait(false);
        return answer.ErrorCode is NatsErrors.MessageNotFound or NatsErrors.StreamNotFound or NatsErrors.SequenceNotFound
            ? null
            : Read(answer.OrThrow(doing, api.Links.Where)).Bindings;
    }

    /// <summary>Whether the queue has levels, from the server.</summary>
    public async ValueTask<bool> HasLevelsAsync(string queue, string doing, CancellationToken cancellationToken) =>
        await GetAsync(Subjects.LevelsOf(queue), doing, cancellationToken).ConfigureAwait(false) is not null;

    /// <summary>The streams are gone, so nothing of what is known is true.</summary>
    public void Forget()
    {
        _queues.Clear();
        _levelled.Clear();
        _routed = new(StringComparer.Ordinal);
        _last = 0;
    }

    public void Dispose() => _one.Dispose();

    private (string Name, Bindings Bindings) Read(Answer answer)
    {
        var message = answer.Root.GetProperty("message");
        var body = message.TryGetProperty("data", out var data) ? data.GetBytesFromBase64() : [];
        return (subjects.QueueOfBindings(message.GetProperty("subject").GetString()!), Bindings.Read(message.GetProperty("seq").GetUInt64(), body));
    }
}
