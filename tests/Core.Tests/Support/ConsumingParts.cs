using System.Collections.Concurrent;
using System.Collections.Frozen;
using System.Diagnostics.Metrics;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;
using Postrider.Core.Consuming;
using Postrider.Core.Decoding;
using Postrider.Core.Diagnostics;
using Postrider.Core.FlowControl;
using Postrider.Core.Serialization;
using Postrider.Core.Transport;

namespace Postrider.Core.Tests.Support;

/// <summary>
/// What consuming the queue <c>orders</c> is made of, over a scripted receiver and with nothing around it. The clock stands still unless the test moves it.
/// </summary>
internal sealed class ConsumingParts : IAsyncDisposable
{
    public const int MaxBodyBytes = 1024;
    private static readonly TimeSpan DrainTimeout = TimeSpan.FromSeconds(5);

    private readonly ConcurrentDictionary<string, long> _counted = new();
    private readonly OwnMeters _meters = new();
    private readonly MeterListener _listener = new();
    private readonly ServiceProvider _services = new ServiceCollection().BuildServiceProvider();
    private readonly CancellationTokenSource _stop = new();
    private PrefetchWindow? _window;
    private ConsumerPump? _pump;

    public ConsumingParts()
    {
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (_meters.Made.Contains(instrument.Meter))
            {
                listener.EnableMeasurementEvents(instrument);
            }
        };
        _listener.SetMeasurementEventCallback<long>((instrument, value, _, _) => _counted.AddOrUpdate(instrument.Name, value, (_, before) => before + value));
        _listener.Start();
        Telemetry = new(_meters, Time);
        Logger = Log;
        Reports = new([new Reporter(Reported)], Telemetry, Time, Log);
        Reports.Start();
    }

    public FakeTimeProvider Time { get; } = new();

    public ListLog Log { get; } = new();

    /// <summary>Where the parts log to: <see cref="Log"/>, unless it is to be another.</summary>
    public ILogger Logger { get; set; }

    public ScriptedReceiver Receiver { get; set; } = new LeasedReceiver();

    public TransportStatus Status { get; } = new("scripted");

    public ConcurrentQueue<ExceptionReport> Reported { get; } = new();

    public Telemetry Telemetry { get; }

    public ExceptionReports Reports { get; }

    /// <summary>What its only consumer does.</summary>
    public ConsumeDelegate Consume { get; set; } = static _ => new(Outcome.Ack);

    public RetryPolicy Retry { get; set; } = RetryPolicy.Immediate;

    /// <summary>The limit of each key, if the queue has one.</summary>
    public KeyRates? KeyRates { get; set; }

    public List<IEnvelopeDecoder> Decoders { get; } = [];

    /// <summary>Changed before the first part is made of it.</summary>
    public ConsumerQueue Queue
    {
        get => field ??= QueueOf(new("orders:tests.order", context => Consume(context), Retry));
        set;
    }

    /// <summary>With as many places as the queue begins with.</summary>
    public PrefetchWindow Window
    {
        get
        {
            if (_window is null)
            {
                _window = new(Queue, Time);
                Assert.True(_window.WaitAsync(CancellationToken.None).AsTask().IsCompletedSuccessfully);
            }

            return _window;
        }
    }

    public static ConsumerQueue QueueOf(BuiltConsumer consumer) => new()
    {
        Name = "orders",
        Concurrency = 2,
        Lease = TimeSpan.FromSeconds(30),
        MaxRedeliveries = 4,
        ByType = new Dictionary<string, BuiltConsumer> { ["tests.order"] = consumer }.ToFrozenDictionary(),
    };

    public InFlight Fill(Delivery delivery)
    {
        Assert.True(Window.TryFill(delivery, out var slot));
        return slot;
    }

    public DeliveryHandler Handler() => new(
        Queue, "scripted", new(new ScriptedTransport()), MaxBodyBytes, new BodyTransforms([]), new Decoders(Decoders), Scopes, Telemetry, Reports, null, null, Time, Logger);

    public SettlementLoop Settling(Action<InFlight> free) =>
        new(Receiver, Queue, new(new ScriptedTransport()), free, new(Queue, free, Scopes, Reports, Logger), Telemetry, Reports, Time, Logger);

    public LeaseRenewer Renewer() => new((ILeaseRenewal)Receiver, Window, Queue, Reports, Time, Logger);

    /// <summary>Runs a pump until the test stops it or it breaks off.</summary>
    public Task Pump()
    {
        Status.SetReady();
        Status.Set(Queue.Name, QueueState.Receiving);
        _pump = new(new ScriptedTransport(), Receiver, Queue, Handler(), null, KeyRates, static () => DrainTimeout, Status, Scopes, Telemetry, Reports, Time, Logger);
        return _pump.RunAsync(_stop.Token);
    }

    /// <summary>Stops the pump and lets its time pass.</summary>
    public async Task StopAsync(Task pump)
    {
        await _stop.CancelAsync();
        await EndAsync(pump);
    }

    /// <summary>Lets time pass until the pump has ended, as it does whatever hangs.</summary>
    public async Task EndAsync(Task pump)
    {
        await PassUntilAsync(() => pump.IsCompleted);
        await pump;
    }

    public Task PassUntilAsync(Func<bool> condition) => Eventually.IsAsync(() =>
    {
        if (condition())
        {
            return true;
        }

        Time.Advance(TimeSpan.FromMilliseconds(100));
        return false;
    });

    /// <summary>The texts of what was logged under an event id.</summary>
    public string[] Logged(int id) => [.. Log.Lines.Where(line => line.Id == id).Select(static line => line.Text)];

    public long Counted(string instrument) => _counted.GetValueOrDefault(instrument);

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await Reports.DisposeAsync();
        _pump?.Dispose();
        _window?.Dispose();
        _listener.Dispose();
        Telemetry.Dispose();
        _stop.Dispose();
        await _services.DisposeAsync();
    }

    private IServiceScopeFactory Scopes => _services.GetRequiredService<IServiceScopeFactory>();

    private sealed class Reporter(ConcurrentQueue<ExceptionReport> reported) : IExceptionReporter
    {
        public ValueTask ReportAsync(ExceptionReport report, CancellationToken cancellationToken)
        {
            reported.Enqueue(report);
            return ValueTask.CompletedTask;
        }
    }

    /// <summary>So that only what these parts count is counted.</summary>
    private sealed class OwnMeters : IMeterFactory
    {
        public ConcurrentBag<Meter> Made { get; } = [];

        public Meter Create(MeterOptions options)
        {
            var meter = new Meter(options);
            Made.Add(meter);
            return meter;
        }

        public void Dispose()
        {
        }
    }
}
