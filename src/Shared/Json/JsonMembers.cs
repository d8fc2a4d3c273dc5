using System.Text;
using System.Text.Json;

namespace Postrider.Json;

/// <summary>The members of a JSON object, one after the other. A value is a slice of the text: nothing is copied.</summary>
internal ref struct JsonMembers
{
    private static readonly JsonReaderOptions Options = new() { MaxDepth = 256 };
    private readonly ReadOnlyMemory<byte> _json;
    private Utf8JsonReader _reader;

    /// <exception cref="JsonException">It is not a JSON object.</exception>
    public JsonMembers(ReadOnlyMemory<byte> json)
    {
        _json = json.Span.StartsWith("\uFEFF"u8) ? json[3..] : json;
        _reader = new(_json.Span, Options);
        _reader.Read();
        if (_reader.TokenType != JsonTokenType.StartObject)
        {
            throw new JsonException("It is not an object.");
        }
    }

    public string Name { get; private set; } = "";

    public JsonTokenType Kind { get; private set; }

    /// <summary>The value's JSON.</summary>
    public ReadOnlyMemory<byte> Value { get; private set; }

    /// <summary>Goes on to the next member; false after the last.</summary>
    /// <exception cref="JsonException">It is not JSON from here on.</exception>
    public bool Next()
    {
        _reader.Read();
        if (_reader.TokenType == JsonTokenType.EndObject)
        {
            // Throws if something follows.
            _reader.Read();
            return false;
        }

        Name = TextOfToken();
        _reader.Read();
        Kind = _reader.TokenType;
        var start = (int)_reader.TokenStartIndex;
        _reader.Skip();
        Value = _json[start..(int)_reader.BytesConsumed];
        return true;
    }

    /// <summary>The text of a string, the JSON of anything else; null for <c>null</c>.</summary>
    /// <exception cref="JsonException">The string is not text.</exception>
    public readonly string? Text() => Kind switch
    {
        JsonTokenType.Null => null,
        JsonTokenType.String => TextOfToken(),
        _ => Encoding.UTF8.GetString(Value.Span),
    };

    private readonly string TextOfToken()
    {
        try
        {
            return _reader.GetString()!;
        }
        catch (InvalidOperationException e)
        {
            throw new JsonException("A string is not valid text.", e);
        }
    }
}
