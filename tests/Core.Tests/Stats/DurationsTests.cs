using System.Text.Json;
using Postrider.Core.Stats;

namespace Postrider.Core.Tests.Stats;

public sealed class DurationsTests
{
    private const int Many = 20_000;

    /// <summary>By name: a generator of nanoseconds.</summary>
    private static readonly Dictionary<string, Func<Random, double>> Distributions = new()
    {
        ["constant"] = static _ => 1_234_567,
        ["uniform"] = static random => 1_000 + (random.NextDouble() * 5e9),
        ["exponential"] = static random => 2e6 * -Math.Log(1 - random.NextDouble()),
        ["log-normal"] = static random => 3e5 * Math.Exp(1.5 * Normal(random)),
        ["two peaks"] = static random => random.Next(100) == 0 ? 4e10 + (random.NextDouble() * 1e9) : 8_000 + (random.NextDouble() * 1_000),
        ["heavy tail"] = static random => 20_000 / Math.Pow(1 - random.NextDouble(), 1.2),
        ["days"] = static random => random.NextDouble() * 200 * 24 * 3600 * 1e9,
    };

    public static TheoryData<string> Names => [.. Distributions.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public void Every_percentile_is_off_by_one_percent_at_most(string distribution)
    {
        var random = new Random(7);
        var recorder = new DurationRecorder();
        var exact = new long[Many];
        for (var i = 0; i < Many; i++)
        {
            exact[i] = (long)Distributions[distribution](random);
            recorder.Record(i % Core.Stats.Stripes.Count, exact[i]);
        }

        Array.Sort(exact);
        var durations = recorder.Read();
        Assert.Equal(Many, durations.Count);
        foreach (var percent in (double[])[0, 0.1, 1, 10, 25, 50, 75, 90, 95, 99, 99.9, 99.99, 100])
        {
            Near(exact[Math.Max(1, (int)Math.Ceiling(Many * (percent / 100))) - 1], durations.Percentile(percent), 0.01);
        }

        Near(exact[^1], durations.Max, 0.01);
        Near(exact.Average(static nanoseconds => (double)nanoseconds), durations.Mean, 0.01);
        Assert.True(durations.Error <= 0.01);
    }

    [Fact]
    public void Every_bucket_is_as_wide_as_the_error_allows()
    {
        for (var nanoseconds = 1L; nanoseconds < DurationScale.Longest; nanoseconds += 1 + (nanoseconds / 300))
        {
            var middle = DurationScale.Middle(DurationScale.Index(nanoseconds, DurationScale.Bits), DurationScale.Bits);
            Assert.True(Math.Abs(middle - nanoseconds) <= nanoseconds * 0.01, $"{nanoseconds} became {middle}.");
        }
    }

    [Fact]
    public void What_is_out_of_range_counts_as_the_nearest()
    {
        var recorder = new DurationRecorder();
        recorder.Record(0, -5);
        recorder.Record(0, long.MaxValue);

        var durations = recorder.Read();

        Assert.Equal(2, durations.Count);
        Assert.Equal(TimeSpan.Zero, durations.Percentile(0));
        Assert.True(durations.Max > TimeSpan.FromDays(200));
    }

    [Fact]
    public void Nothing_has_no_times()
    {
        Assert.Equal((0, TimeSpan.Zero, TimeSpan.Zero, TimeSpan.Zero), (Durations.None.Count, Durations.None.Mean, Durations.None.Max, Durations.None.Percentile(50)));
        Assert.Throws<ArgumentOutOfRangeException>(() => Durations.None.Percentile(101));
        Assert.Throws<ArgumentOutOfRangeException>(() => Durations.None.Percentile(-1));
    }

    [Fact]
    public void Two_that_are_merged_are_as_one_that_recorded_both()
    {
        var (one, other, both) = (new DurationRecorder(), new DurationRecorder(), new DurationRecorder());
        var random = new Random(3);
        for (var i = 0; i < 2_000; i++)
        {
            var nanoseconds = (long)Distributions["log-normal"](random);
            (i % 3 == 0 ? one : other).Record(0, nanoseconds);
            both.Record(0, nanoseconds);
        }

        Assert.Equal(Text(both.Read()), Text(one.Read().Merge(other.Read())));
        Assert.Equal(Text(one.Read()), Text(both.Read().Since(other.Read())));
        Assert.Equal(Text(one.Read()), Text(one.Read().Merge(Durations.None)));
        Assert.Equal(Text(one.Read()), Text(Durations.None.Merge(one.Read())));
    }

    [Theory]
    [InlineData(5)]
    [InlineData(2)]
    public void A_coarser_one_loses_nothing_but_precision_and_tells_so(int bits)
    {
        var recorder = new DurationRecorder();
        for (var nanoseconds = 1_000_000L; nanoseconds < 9_000_000_000; nanoseconds += nanoseconds / 100)
        {
            recorder.Record(0, nanoseconds);
        }

        var fine = recorder.Read();
        var coarse = fine.Coarser(bits);

        Assert.Equal(fine.Count, coarse.Count);
        Assert.True(coarse.Buckets.Length < fine.Buckets.Length);
        Assert.Equal(0.5 / (1 << bits), coarse.Error);
        Near(fine.Percentile(50).TotalNanoseconds, coarse.Percentile(50), coarse.Error + fine.Error);
        Assert.Equal(coarse.Error, fine.Merge(coarse).Error);
        Assert.Equal(2 * fine.Count, coarse.Merge(fine).Count);
    }

    [Fact]
    public void As_json_it_comes_back_the_same()
    {
        var recorder = new DurationRecorder();
        var random = new Random(5);
        for (var i = 0; i < 5_000; i++)
        {
            recorder.Record(0, (long)Distributions["heavy tail"](random));
        }

        recorder.Record(0, long.MaxValue);
        var durations = recorder.Read();

        var back = DurationsConverter.Read(DurationsConverter.Bytes(durations))!;

        Assert.Equal(Text(durations), Text(back));
        Assert.Equal(durations.Percentile(99), back.Percentile(99));
    }

    [Theory]
    [InlineData("null")]
    [InlineData("5")]
    [InlineData("\"\"")]
    [InlineData("\"!\"")]
    [InlineData("\"BwAB\"")] // 7 bits
    [InlineData("\"BgA=\"")] // a gap alone
    [InlineData("\"BgACAQ==\"")] // two buckets, one count
    [InlineData("\"BgABAA==\"")] // a count of 0
    [InlineData("\"Bv////////8BAQ==\"")] // a gap beyond all buckets
    [InlineData("\"Bv//////////////\"")] // a number without end
    public void What_is_no_histogram_is_refused(string json) => Assert.ThrowsAny<JsonException>(
        () => JsonSerializer.Deserialize($$"""{"handling":[{"queue":"q","handling":{{json}}}]}""", StatsJson.Default.StatsSnapshot)!.Handling[0].Handling.Count);

    internal static string Text(Durations durations) => Convert.ToBase64String(DurationsConverter.Bytes(durations));

    private static void Near(double exact, TimeSpan told, double error) =>
        Assert.True(Math.Abs(told.TotalNanoseconds - exact) <= (exact * error) + 50, $"{told.TotalNanoseconds} instead of {exact}.");

    private static double Normal(Random random) => Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());
}
