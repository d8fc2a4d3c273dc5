using System.Buffers;
using System.Text.Json;

namespace Postrider.Transports.Nats;

/// <summary>Configurations as the JetStream API takes them. Times are in nanoseconds.</summary>
internal static class Json
{
    /// <param name="options">What the user chose for all streams.</param>
    /// <param name="name">Of the stream.</param>
    /// <param name="retention">When messages go.</param>
    /// <param name="subjects">What it takes.</param>
    /// <param name="mostOfSubject">Of each subject only so many are kept, the latest; -1: all.</param>
    /// <param name="longestStay">After which they go in any case; zero: never.</param>
    /// <param name="isBucket">It is a bucket of keys and values, as other clients make it too. It is always kept in files.</param>
    public static byte[] Stream(
        NatsOptions options, string name, string retention, IReadOnlyList<string> subjects, int mostOfSubject = -1, TimeSpan longestStay = default, bool isBucket = false)
    {
        var buffer = new ArrayBufferWriter<byte>(512);
        using var json = new Utf8JsonWriter(buffer);
        json.WriteStartObject();
        json.WriteString("name", name);
        json.WriteStartArray("subjects");
        foreach (var subject in subjects)
        {
            json.WriteStringValue(subject);
        }

        json.WriteEndArray();
        json.WriteString("retention", retention);
        json.WriteString("storage", options.Storage == NatsStorage.Memory && !isBucket ? "memory" : "file");
        json.WriteString("discard", isBucket ? "new" : "old");
        json.WriteBoolean("deny_delete", isBucket);
        json.WriteBoolean("allow_rollup_hdrs", isBucket);
        json.WriteBoolean("allow_direct", isBucket);
        json.WriteNumber("num_replicas", options.Replicas);
        json.WriteNumber("max_consumers", -1);
        json.WriteNumber("max_msgs", -1);
        json.WriteNumber("max_bytes", -1);
        json.WriteNumber("max_age", Nanoseconds(longestStay));
        json.WriteNumber("max_msg_size", -1);
        json.WriteNumber("max_msgs_per_subject", mostOfSubject);
        // The server refuses a window that is longer than anything stays.
        json.WriteNumber("duplicate_window", Nanoseconds(longestStay > TimeSpan.Zero && longestStay < options.DuplicateWindow ? longestStay : options.DuplicateWindow));
        json.WriteEndObject();
        json.Flush();
        return buffer.WrittenSpan.ToArray();
    }

    /// <summary>A consumer that passes on what is stored from now on, without acks, and tells in the pauses that it is there. It goes when nobody listens.</summary>
    public static byte[] Feed(string stream, string filter, string deliverTo, TimeSpan heartbeat)
    {
        var buffer = new ArrayBufferWriter<byte>(512);
        using var json = new Utf8JsonWriter(buffer);
        json.WriteStartObject();
        json.WriteString("stream_name", stream);
        json.WriteStartObject("config");
        json.WriteString("deliver_subject", deliverTo);
        json.WriteString("deliver_policy", "new");
        json.WriteString("ack_policy", "none");
        json.WriteString("replay_policy", "instant");
        json.WriteString("filter_subject", filter);
        json.WriteNumber("idle_heartbeat", Nanoseconds(heartbeat));
        json.WriteNumber("inactive_threshold", Nanoseconds(TimeSpan.FromSeconds(5)));
        json.WriteNumber("num_replicas", 1);
        json.WriteBoolean("mem_storage", true);
        json.WriteEndObject();
        json.WriteEndObject();
        json.Flush();
        return buffer.WrittenSpan.ToArray();
    }

    public static byte[] Consumer(string stream, string name, string deliver, IReadOnlyList<string> filters, TimeSpan ackWait)
    {
        var buffer = new ArrayBufferWriter<byte>(512);
        using var json = new Utf8JsonWriter(buffer);
        json.WriteStartObject();
        json.WriteString("stream_name", stream);
        json.WriteStartObject("config");
        json.WriteString("durable_name", name);
        json.WriteString("deliver_policy", deliver);
        json.WriteString("ack_policy", "explicit");
        json.WriteString("replay_policy", "instant");
        json.WriteNumber("ack_wait", Nanoseconds(ackWait));
        // Ours decides when a message was handed out too often, and how much is in hand.
        json.WriteNumber("max_deliver", -1);
        json.WriteNumber("max_ack_pending", -1);
        json.WriteNumber("max_waiting", 2048);
        if (filters.Count == 1)
        {
            json.WriteString("filter_subject", filters[0]);
        }
        else
        {
            json.WriteStartArray("filter_subjects");
            foreach (var filter in filters)
            {
                json.WriteStringValue(filter);
            }

            json.WriteEndArray();
        }

        json.WriteEndObject();
        json.WriteEndObject();
        json.Flush();
        return buffer.WrittenSpan.ToArray();
    }

    /// <summary>A consumer's configuration as it is, but for its ack wait.</summary>
    public static byte[] WithAckWait(string stream, JsonElement config, TimeSpan ackWait)
    {
        var buffer = new ArrayBufferWriter<byte>(512);
        using var json = new Utf8JsonWriter(buffer);
        json.WriteStartObject();
        json.WriteString("stream_name", stream);
        json.WriteStartObject("config");
        foreach (var property in config.EnumerateObject())
        {
            if (property.NameEquals("ack_wait"))
            {
                json.WriteNumber("ack_wait", Nanoseconds(ackWait));
            }
            else
            {
                property.WriteTo(json);
            }
        }

        json.WriteEndObject();
        json.WriteEndObject();
        json.Flush();
        return buffer.WrittenSpan.ToArray();
    }

    /// <summary>The filters of a consumer's configuration, sorted.</summary>
    public static string[] FiltersOf(JsonElement config)
    {
        string[] filters = [];
        if (config.TryGetProperty("filter_subjects", out var several) && several.ValueKind == JsonValueKind.Array && several.GetArrayLength() > 0)
        {
            filters = [.. several.EnumerateArray().Select(static one => one.GetString() ?? "")];
        }
        else if (config.TryGetProperty("filter_subject", out var single))
        {
            filters = [single.GetString() ?? ""];
        }

        Array.Sort(filters, StringComparer.Ordinal);
        return filters;
    }

    public static TimeSpan AckWaitOf(JsonElement config) =>
        config.TryGetProperty("ack_wait", out var wait) ? TimeSpan.FromTicks(wait.GetInt64() / 100) : TimeSpan.FromSeconds(30);

    private static long Nanoseconds(TimeSpan time) => time.Ticks * 100;
}
