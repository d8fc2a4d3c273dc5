using System.Buffers;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Postrider.Testing;

/// <summary>Ledgers as files of JSON lines, so that several processes can be judged as one history.</summary>
public static class LedgerFile
{
    /// <summary>Opens a journal for <see cref="Ledger"/>: appended to, unbuffered, readable while it is written.</summary>
    public static FileStream OpenJournal(string path) =>
        new(path, FileMode.Append, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0);

    /// <summary>Writes all events of the ledger.</summary>
    public static void Write(Ledger ledger, Stream output)
    {
        ArgumentNullException.ThrowIfNull(ledger);
        foreach (var happened in ledger.Events())
        {
            WriteLine(output, happened);
        }
    }

    /// <summary>Adds the events of a file to the ledger. A last line that a killed process could not finish is left out.</summary>
    /// <exception cref="InvalidDataException">Another line is no event.</exception>
    public static void Merge(Ledger ledger, Stream input)
    {
        ArgumentNullException.ThrowIfNull(ledger);
        using var reader = new StreamReader(input, leaveOpen: true);
        for (var number = 1; reader.ReadLine() is { } line; number++)
        {
            try
            {
                ledger.Add(JsonSerializer.Deserialize(line, LedgerJson.Default.LedgerEvent));
            }
            catch (JsonException) when (reader.EndOfStream)
            {
                return;
            }
            catch (JsonException notAnEvent)
            {
                throw new InvalidDataException($"Line {number} of the ledger is no event.", notAnEvent);
            }
        }
    }

    internal static void WriteLine(Stream output, in LedgerEvent happened)
    {
        var line = new ArrayBufferWriter<byte>(256);
        using (var json = new Utf8JsonWriter(line))
        {
            JsonSerializer.Serialize(json, happened, LedgerJson.Default.LedgerEvent);
        }

        // One write for the whole line: several processes may append to one file.
        line.Write("\n"u8);
        output.Write(line.WrittenSpan);
    }
}

[JsonSourceGenerationOptions(DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingDefault, UseStringEnumConverter = true)]
[JsonSerializable(typeof(LedgerEvent))]
internal sealed partial class LedgerJson : JsonSerializerContext;
