using System.Globalization;

namespace Postrider.Reliability.Rig;

/// <summary>Writes lines that survive a kill of the process: each is with the kernel when the call returns. Thread-safe.</summary>
internal sealed class LedgerWriter(string path) : IDisposable
{
    private readonly Lock _lock = new();
    private readonly StreamWriter _writer = new(new FileStream(path, FileMode.Append, FileAccess.Write, FileShare.Read)) { AutoFlush = true };

    public void Write(char what, int number, int attempt, int redeliveries)
    {
        var line = string.Create(
            CultureInfo.InvariantCulture, $"{what} {number} {attempt} {redeliveries} {Environment.ProcessId} {TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds()}\n");
        lock (_lock)
        {
            _writer.Write(line);
        }
    }

    public void Dispose() => _writer.Dispose();
}

/// <summary>A line of a ledger: B begun, E ended, R ready.</summary>
internal readonly record struct Line(char What, int Number, int Attempt, int Redeliveries, int Process, long At)
{
    public static Line? Parse(string text)
    {
        var words = text.Split(' ');
        return words.Length != 6 ? null : new(
            words[0][0], Number(words[1]), Number(words[2]), Number(words[3]), Number(words[4]), long.Parse(words[5], CultureInfo.InvariantCulture));

        static int Number(string word) => int.Parse(word, CultureInfo.InvariantCulture);
    }
}
