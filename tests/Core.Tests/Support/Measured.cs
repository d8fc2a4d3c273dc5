using System.Diagnostics.Metrics;

namespace Postrider.Core.Tests.Support;

/// <summary>What gauges tell when somebody collects.</summary>
internal static class Measured
{
    /// <summary>All gauges whose name begins so, of what has this value as an attribute.</summary>
    public static IEnumerable<(string Name, double Value)> Now(string prefix, string attribute, string of)
    {
        var measured = new List<(string, double)>();
        using var listener = new MeterListener { InstrumentPublished = static (instrument, self) => self.EnableMeasurementEvents(instrument) };
        listener.SetMeasurementEventCallback<int>((instrument, value, tags, _) => Add(instrument, value, tags));
        listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => Add(instrument, value, tags));
        listener.SetMeasurementEventCallback<double>((instrument, value, tags, _) => Add(instrument, value, tags));
        listener.Start();
        listener.RecordObservableInstruments();
        return measured.Order();

        void Add(Instrument instrument, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
        {
            foreach (var (key, name) in tags)
            {
                if (instrument.Name.StartsWith(prefix, StringComparison.Ordinal) && key == attribute && (name as string) == of)
                {
                    measured.Add((instrument.Name, value));
                }
            }
        }
    }
}
