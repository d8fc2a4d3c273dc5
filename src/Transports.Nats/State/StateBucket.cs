using System.Globalization;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using NATS.Client.Core;
using Postrider.Core.Transport;

namespace Postrider.Transports.Nats;

/// <summary>The bucket of the state store on the server: a stream that keeps the last message of each key. It is made when it is first used.</summary>
/// <remarks>All questions go to the stream's leader. Others of the stream's servers would answer too (<c>allow_direct</c>), but may be behind.</remarks>
internal sealed class StateBucket(JetStreamApi api, string name, ILogger log)
{
    /// <summary>The server tells no more of them.</summary>
    private const int MostKeys = 100_000;

    private const int MostTries = 10;
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(20);
    private readonly string _root = $"$KV.{name}.";
    private volatile bool _isMade;

    public string Name => name;

    public string Stream { get; } = "KV_" + name;

    /// <summary>What is written to learn the server's time. No key has such a name, and as a delete it is no key for others either.</summary>
    public string Clock => _root + "=clock";

    /// <summary>The subjects of all keys below the prefix.</summary>
    public string Below(string prefix) => $"{_root}{prefix}.>";

    /// <summary>The key of a subject; null if it is not one of ours.</summary>
    public string? KeyOf(string subject) => Names.WhyIllegalTopic(subject[_root.Length..]) is null ? subject[_root.Length..] : null;

    /// <summary>The last message of the key, or null.</summary>
    public async ValueTask<StoredState?> FindAsync(string key, string doing, CancellationToken cancellationToken)
    {
        await MakeAsync(cancellationToken).ConfigureAwait(false);
        var answer = await api.GetMessageAsync(Stream, $$"""{"last_by_subj":"{{_root}}{{key}}"}""", doing, cancellationToken).ConfigureAwait(false);
        return IsMissing(answer) ? null : StoredState.Read(key, Checked(answer, doing).Root.GetProperty("message"));
    }

    /// <summary>The next message after a sequence, whatever its subject is; null at the end.</summary>
    public async ValueTask<(ulong Sequence, StoredState? Key)?> NextAsync(ulong after, string doing, CancellationToken cancellationToken)
    {
        await MakeAsync(cancellationToken).ConfigureAwait(false);
        var which = string.Create(CultureInfo.InvariantCulture, $$"""{"seq":{{after + 1}},"next_by_subj":"{{_root}}>"}""");
        var answer = await api.GetMessageAsync(Stream, which, doing, cancellationToken).ConfigureAwait(false);
        if (IsMissing(answer))
        {
            return null;
        }

        var message = Checked(answer, doing).Root.GetProperty("message");
        var key = KeyOf(message.GetProperty("subject").GetString()!);
        return (message.GetProperty("seq").GetUInt64(), key is null ? null : StoredState.Read(key, message));
    }

    /// <summary>The keys below the prefix that have a last message.</summary>
    public async ValueTask<List<string>> KeysAsync(string prefix, string doing, CancellationToken cancellationToken)
    {
        await MakeAsync(cancellationToken).ConfigureAwait(false);
        var answer = Checked(await api.SubjectsAsync(Stream, Below(prefix), doing, cancellationToken).ConfigureAwait(false), doing);
        var keys = new List<string>();
        if (answer.Root.GetProperty("state").TryGetProperty("subjects", out var subjects) && subjects.ValueKind == JsonValueKind.Object)
        {
            keys.AddRange(subjects.EnumerateObject().Select(one => KeyOf(one.Name)).OfType<string>());
        }

        return keys.Count < MostKeys ? keys : throw new TransportException(
            $"Cannot {doing} on NATS at {api.Links.Where}: the bucket '{name}' has {MostKeys} keys or more there. Use a longer prefix.", TransportError.Other);
    }

    /// <summary>Puts a value if the last message of the key is the expected one: the new sequence, else 0.</summary>
    public ValueTask<ulong> PutAsync(string key, ReadOnlyMemory<byte> value, TimeSpan timeToLive, ulong expected, string doing, CancellationToken cancellationToken)
    {
        var headers = JetStreamApi.Expecting(expected);
        if (timeToLive != Timeout.InfiniteTimeSpan && timeToLive <= StoredState.LongestLife)
        {
            headers[StoredState.Life] = ((timeToLive.Ticks + 9) / 10).ToString(CultureInfo.InvariantCulture);
        }

        return StoreAsync(key, value, headers, doing, cancellationToken);
    }

    /// <summary>Says that the key has no entry, if its last message is the expected one: the sequence of that word, else 0.</summary>
    public ValueTask<ulong> DeleteAsync(string key, ulong expected, string doing, CancellationToken cancellationToken)
    {
        var headers = JetStreamApi.Expecting(expected);
        headers[StoredState.Operation] = StoredState.Delete;
        return StoreAsync(key, default, headers, doing, cancellationToken);
    }

    /// <summary>Removes what the key has in the stream up to a sequence.</summary>
    public async ValueTask PurgeAsync(string key, ulong upTo, string doing, CancellationToken cancellationToken) =>
        Checked(await api.PurgeAsync(Stream, _root + key, upTo, doing, cancellationToken).ConfigureAwait(false), doing);

    /// <summary>Makes the bucket if it is missing, and checks it, the first time.</summary>
    public async ValueTask MakeAsync(CancellationToken cancellationToken)
    {
        const string doing = "open the state store";
        for (var tries = 0; !_isMade; tries++)
        {
            var answer = await api.StreamInfoAsync(Stream, doing, cancellationToken).ConfigureAwait(false);
            if (answer.ErrorCode == NatsErrors.StreamNotFound)
            {
                ThrowUnlessCreating();
                var config = Json.Stream(api.Links.Options, Stream, "limits", [_root + ">"], mostOfSubject: 1, isBucket: true);
                answer = await api.CreateStreamAsync(Stream, config, doing, cancellationToken).ConfigureAwait(false);
                if (answer.ErrorCode is NatsErrors.StreamNameInUse or NatsErrors.SubjectOverlap && tries < MostTries)
                {
                    // Another was quicker, or is at it: what overlaps may be this very stream.
                    await Task.Delay(Pause, TimeProvider.System, cancellationToken).ConfigureAwait(false);
                    continue;
                }

                if (!answer.IsError)
                {
                    log.Created(api.Links.Where, $"the bucket '{name}'");
                }
            }

            Check(answer.OrThrow(doing, api.Links.Where).Root.GetProperty("config"), doing);
            _isMade = true;
        }
    }

    /// <summary>Somebody removed the bucket: the next call makes it again.</summary>
    public Answer Checked(Answer answer, string doing)
    {
        if (answer.ErrorCode != NatsErrors.StreamNotFound)
        {
            return answer.OrThrow(doing, api.Links.Where);
        }

        _isMade = false;
        throw new TransportException($"Cannot {doing} on NATS at {api.Links.Where}: the bucket '{name}' is gone. Somebody removed it; the next call makes it again.", TransportError.Unavailable);
    }

    private static bool IsMissing(Answer answer) => answer.ErrorCode is NatsErrors.MessageNotFound or NatsErrors.SequenceNotFound;

    private async ValueTask<ulong> StoreAsync(string key, ReadOnlyMemory<byte> value, NatsHeaders headers, string doing, CancellationToken cancellationToken) =>
        await api.StoreAsync(_root + key, value, headers, doing, cancellationToken).ConfigureAwait(false) ?? throw NatsErrors.Lost(doing, api.Links.Where);

    private void Check(JsonElement config, string doing)
    {
        var wrong = new (string Property, string Wanted)[]
        {
            ("retention", "\"limits\""), ("storage", "\"file\""), ("max_msgs_per_subject", "1"), ("max_age", "0"), ("max_msgs", "-1"), ("max_bytes", "-1"),
            ("mirror", "null"), ("sources", "null"), ("deny_purge", "false"), ("sealed", "false"),
        }.Where(one => config.TryGetProperty(one.Property, out var has) && has.GetRawText() != one.Wanted).Select(static one => one.Property).ToList();
        if (config.GetProperty("subjects") is var subjects && (subjects.GetArrayLength() != 1 || subjects[0].GetString() != _root + ">"))
        {
            wrong.Add("subjects");
        }

        if (wrong.Count > 0)
        {
            throw new TransportException(
                $"Cannot {doing} on NATS at {api.Links.Where}: a bucket '{name}' exists with other properties ({string.Join(", ", wrong)}) than a history of 1, in files, without limits. "
                + "Remove it, or choose another NatsOptions.Prefix.", TransportError.TopologyMismatch);
        }
    }

    private void ThrowUnlessCreating()
    {
        if (!api.Links.Options.CreateTopology)
        {
            throw new TransportException(
                $"On NATS at {api.Links.Where} the bucket '{name}' is missing, and NatsOptions.CreateTopology is false. Start once with it, or create it by other means.",
                TransportError.TopologyMismatch);
        }
    }
}
