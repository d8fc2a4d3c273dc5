using System.Diagnostics;
using System.Diagnostics.Metrics;
using Postrider.Throughput.Contenders;
using Postrider.Throughput.Measuring;

namespace Postrider.Throughput.Scenarios;

/// <summary>Another scenario while somebody listens to spans and metrics of every source.</summary>
internal sealed class Listened(string name, string title, Scenario inner) : Scenario(name, title)
{
    public override bool Fits(Entry entry) => inner.Fits(entry);

    public override async Task<Figures> RunAsync(Ring ring)
    {
        using var spans = new ActivityListener
        {
            ShouldListenTo = static _ => true,
            Sample = static (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded,
        };
        ActivitySource.AddActivityListener(spans);
        using var metrics = new MeterListener { InstrumentPublished = static (instrument, listener) => listener.EnableMeasurementEvents(instrument) };
        metrics.SetMeasurementEventCallback<long>(static (_, _, _, _) => { });
        metrics.SetMeasurementEventCallback<double>(static (_, _, _, _) => { });
        metrics.Start();
        return await inner.RunAsync(ring);
    }
}
