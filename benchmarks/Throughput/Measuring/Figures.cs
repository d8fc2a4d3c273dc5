namespace Postrider.Throughput.Measuring;

/// <summary>What a scenario measured, by name. The names are also the columns of the report.</summary>
internal sealed class Figures : Dictionary<string, double>
{
    public const string Rate = "rate";
    public const string Cpu = "cpu";
    public const string Bytes = "bytes";
    public const string P50 = "p50";
    public const string P99 = "p99";

    /// <summary>Confirmed by the broker, and never handled.</summary>
    public const string Lost = "lost";
    public const string Duplicates = "duplicates";
    public const string Published = "published";

    public Figures()
        : base(StringComparer.Ordinal)
    {
    }

    public Figures WithLatencies(double[] microseconds)
    {
        Array.Sort(microseconds);
        if (microseconds.Length > 0)
        {
            this[P50] = microseconds[microseconds.Length / 2];
            this[P99] = microseconds[(int)(microseconds.Length * 0.99)];
        }

        return this;
    }
}
