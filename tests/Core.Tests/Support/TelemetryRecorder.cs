using System.Collections.Concurrent;
using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace Postrider.Core.Tests.Support;

/// <summary>Everything that Postrider tells while it is there, of all hosts of the process: tests pick what is theirs by their names.</summary>
internal sealed class TelemetryRecorder : IDisposable
{
    private readonly ActivityListener _spans;
    private readonly MeterListener _meters = new();

    public TelemetryRecorder()
    {
        _spans = new()
        {
            ShouldListenTo = static source => source.Name == TelemetryOptions.SourceName,
            Sample = (ref ActivityCreationOptions<ActivityContext> creation) =>
            {
                AtCreation.Enqueue((creation.Name, Text(creation.Tags)));
                return ActivitySamplingResult.AllDataAndRecorded;
            },
            ActivityStopped = Spans.Enqueue,
        };
        ActivitySource.AddActivityListener(_spans);
        _meters.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Meter.Name == TelemetryOptions.SourceName)
            {
                Instruments[instrument.Name] = instrument;
                listener.EnableMeasurementEvents(instrument);
            }
        };
        _meters.SetMeasurementEventCallback<long>((instrument, value, tags, _) => Measured.Enqueue((instrument.Name, value, Text(tags.ToArray()))));
        _meters.SetMeasurementEventCallback<double>((instrument, value, tags, _) => Measured.Enqueue((instrument.Name, value, Text(tags.ToArray()))));
        _meters.Start();
    }

    public ConcurrentQueue<(string Name, string Tags)> AtCreation { get; } = new();

    public ConcurrentQueue<Activity> Spans { get; } = new();

    public ConcurrentQueue<(string Name, double Value, string Tags)> Measured { get; } = new();

    public ConcurrentDictionary<string, Instrument> Instruments { get; } = new();

    /// <summary>The tags of the one measurement of that instrument that mentions it.</summary>
    public string Tags(string instrument, string mentions) =>
        Assert.Single(Measured, one => one.Name == instrument && one.Tags.Contains(mentions, StringComparison.Ordinal)).Tags;

    public static string Text(IEnumerable<KeyValuePair<string, object?>>? tags) =>
        string.Join(' ', (tags ?? []).OrderBy(static tag => tag.Key, StringComparer.Ordinal).Select(static tag => $"{tag.Key}={tag.Value}"));

    public void Dispose()
    {
        _spans.Dispose();
        _meters.Dispose();
    }
}
