using System.Globalization;
using System.Text.Json;
using Postrider.Core.Transport;
using Postrider.Json;

namespace Postrider.Interop;

/// <summary>What the readers have in common.</summary>
internal static class ForeignEvent
{
    /// <summary>Whether nothing but a look into the body can tell what a message is.</summary>
    public static bool MayBe(Envelope envelope) =>
        envelope.Type is null && (envelope.ContentType is null or "application/json")
        && envelope.Body.Span.TrimStart(" \t\r\n"u8) is [(byte)'{', ..];

    /// <summary>The members of an object, or null where it is not JSON: then it is somebody else's, and fails where that is read.</summary>
    public static Dictionary<string, Member>? Members(ReadOnlyMemory<byte> json)
    {
        try
        {
            var result = new Dictionary<string, Member>(StringComparer.Ordinal);
            for (var members = new JsonMembers(json); members.Next();)
            {
                result[members.Name] = new(members.Text(), members.Kind, members.Value);
            }

            return result;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    public static string? Text(this Dictionary<string, Member> members, string name) =>
        members.TryGetValue(name, out var member) && !string.IsNullOrEmpty(member.Text) ? member.Text : null;

    /// <summary>Null where it is not there.</summary>
    /// <exception cref="MalformedMessageException">It is no time.</exception>
    public static DateTimeOffset? Time(this Dictionary<string, Member> members, string name) =>
        members.Text(name) is not { } text ? null
        : DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time) ? time
        : throw new MalformedMessageException($"The event's '{name}' is no time: '{text}'.");

    /// <summary>What it is called here; its own name if nobody said.</summary>
    public static string? Mapped(this Dictionary<string, string> types, string? foreign) =>
        foreign is not null && types.TryGetValue(foreign, out var name) ? name : foreign;

    public static IReadOnlyDictionary<string, string> With(this IReadOnlyDictionary<string, string> headers, Dictionary<string, string> more)
    {
        foreach (var (name, value) in headers)
        {
            more.TryAdd(name, value);
        }

        return more;
    }
}

/// <summary>A member of a JSON object.</summary>
internal readonly record struct Member(string? Text, JsonTokenType Kind, ReadOnlyMemory<byte> Value);
