using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Postrider.Reliability.Rig;

/// <summary>What a row needs: a broker, a publishing application in this process, workers in processes of their own, and the account of it all.</summary>
internal sealed class Stage : IAsyncDisposable
{
    private readonly List<WorkerProcess> _workers = [];
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("postrider-led-");
    private readonly ConcurrentQueue<Exception> _failures = new();
    private readonly ConcurrentBag<int> _confirmed = [];
    private BrokerServer? _state;
    private IHost? _host;
    private int _ledgers;

    private Stage(Kind kind, Sizes sizes) => (Kind, Sizes, Broker) = (kind, sizes, new(kind));

    public Kind Kind { get; }

    public Sizes Sizes { get; }

    public BrokerServer Broker { get; }

    public string Queue { get; } = $"work-{Guid.NewGuid().ToString("N")[..8]}";

    /// <summary>Where applications connect to: the broker, or what a row has put between.</summary>
    public string Address { get; set; } = "";

    /// <summary>How many keys messages have; 0: they have none.</summary>
    public int Keys { get; set; }

    /// <summary>Messages whose publish has returned.</summary>
    public IReadOnlyCollection<int> Confirmed => _confirmed;

    /// <summary>Publishes that ended with an exception.</summary>
    public IReadOnlyCollection<Exception> Failures => _failures;

    public IDeadLetters DeadLetters => _host!.Services.GetRequiredService<IDeadLetters>();

    public static async Task<Stage> OpenAsync(Kind kind, Sizes sizes)
    {
        var stage = new Stage(kind, sizes);
        await stage.Broker.StartAsync();
        stage.Address = stage.Broker.Address;
        return stage;
    }

    /// <summary>Starts the application that publishes, and makes the queue.</summary>
    public async Task PublisherAsync(TimeSpan? timeout = null)
    {
        var builder = Host.CreateApplicationBuilder();
        builder.Logging.ClearProviders();
        Kind.Use(builder.Services.AddMessaging(), Address)
            .UseSerializer(new JsonMessageSerializer(JobJson.Default.Options))
            .Configure(options => options with { PublishTimeout = timeout ?? TimeSpan.FromSeconds(60) });
        _host = builder.Build();
        await _host.StartAsync();
        await _host.Services.GetRequiredService<MessagingStatus>().Ready;
    }

    /// <summary>Lets the workers share their state: on the broker, or on a PostgreSQL beside it.</summary>
    public async Task ShareStateAsync()
    {
        if (!Kind.HoldsState)
        {
            _state = new(Kind.Find("pgmq"));
            await _state.StartAsync();
        }
    }

    public WorkerProcess Worker(Func<Job, Job>? change = null)
    {
        var job = new Job
        {
            Kind = Kind.Name,
            Address = Address,
            Queue = Queue,
            State = _state?.Address,
            Ledger = Path.Combine(_folder.FullName, $"{++_ledgers}.log"),
        };
        var worker = new WorkerProcess(change?.Invoke(job) ?? job);
        _workers.Add(worker);
        return worker;
    }

    /// <summary>A worker that has the queue.</summary>
    public async Task<WorkerProcess> ReadyWorkerAsync(Func<Job, Job>? change = null)
    {
        var worker = Worker(change);
        await UntilAsync(lines => lines.Any(line => line.What == 'R' && line.Process == worker.Id), "a worker is ready");
        return worker;
    }

    /// <summary>Publishes a message, and keeps it in the ledger when that has returned. What it throws is kept too.</summary>
    public async Task PublishAsync(int number)
    {
        try
        {
            await _host!.Services.GetRequiredService<IMessageBus>().SendAsync(Queue, Work.Of(number), Keys == 0 ? null : new PublishOptions { Key = $"key {number % Keys}" });
            _confirmed.Add(number);
        }
        catch (MessagingException e)
        {
            _failures.Enqueue(e);
        }
    }

    /// <summary>By four at once.</summary>
    public async Task PublishAsync(int from, int count)
    {
        var next = from - 1;
        await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(async () =>
        {
            for (int number; (number = Interlocked.Increment(ref next)) < from + count;)
            {
                await PublishAsync(number);
            }
        })));
    }

    public List<Line> Lines()
    {
        var lines = new List<Line>();
        foreach (var file in _folder.GetFiles())
        {
            using var reader = new StreamReader(new FileStream(file.FullName, FileMode.Open, FileAccess.Read, FileShare.ReadWrite));
            while (reader.ReadLine() is { } text)
            {
                if (Line.Parse(text) is { } line)
                {
                    lines.Add(line);
                }
            }
        }

        return lines;
    }

    /// <summary>Starts the broker again.</summary>
    /// <returns>The moment from which on it took connections.</returns>
    public async Task<long> StartBrokerAsync()
    {
        var starting = Broker.StartAsync();
        var port = Broker.Port;
        while (!starting.IsCompleted)
        {
            try
            {
                using var connection = new TcpClient();
                await connection.ConnectAsync(IPAddress.Loopback, port);
                break;
            }
            catch (SocketException)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System);
            }
        }

        var back = Now();
        await starting;
        return back;
    }

    /// <summary>Waits until the ledger is so.</summary>
    /// <exception cref="RowException">It does not come to that.</exception>
    public async Task UntilAsync(Func<List<Line>, bool> condition, string what, TimeSpan? limit = null)
    {
        var started = Stopwatch.GetTimestamp();
        while (!condition(Lines()))
        {
            if (Stopwatch.GetElapsedTime(started) > (limit ?? Sizes.Patience))
            {
                throw new RowException($"It did not come to that within {limit ?? Sizes.Patience}: {what}.");
            }

            await Task.Delay(TimeSpan.FromMilliseconds(100), TimeProvider.System);
        }
    }

    /// <summary>Waits until everything that was confirmed has been handled; what is still missing then is lost.</summary>
    public async Task<Account> AccountAsync(Func<int, bool>? except = null)
    {
        var expected = _confirmed.Where(number => except?.Invoke(number) != true).ToHashSet();
        try
        {
            await UntilAsync(lines => expected.IsSubsetOf(lines.Where(static line => line.What == 'E').Select(static line => line.Number)), "all are handled");
        }
        catch (RowException)
        {
            // They are counted.
        }

        // What is doubled may come a moment later.
        await Task.Delay(TimeSpan.FromSeconds(1), TimeProvider.System);
        var handled = Lines().Where(line => line.What == 'E' && except?.Invoke(line.Number) != true).GroupBy(static line => line.Number).ToDictionary(static one => one.Key, static one => one.Count());
        return new(
            expected.Count(number => !handled.ContainsKey(number)), handled.Values.Sum(static count => count - 1), handled.Keys.Count(number => !expected.Contains(number)));
    }

    public static long Now() => TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds();

    public async ValueTask DisposeAsync()
    {
        foreach (var worker in _workers)
        {
            worker.Dispose();
        }

        if (_host is { } host)
        {
            using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(10));
            await host.StopAsync(limit.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            host.Dispose();
        }

        await Broker.DisposeAsync();
        if (_state is { } state)
        {
            await state.DisposeAsync();
        }

        _folder.Delete(recursive: true);
    }
}

/// <summary>What the ledger says.</summary>
/// <param name="Lost">Confirmed and not handled.</param>
/// <param name="Doubled">Handled to the end once more than once.</param>
/// <param name="Ghosts">Handled, although its publisher was told that it failed or was not told at all. Allowed.</param>
internal readonly record struct Account(int Lost, int Doubled, int Ghosts);

/// <summary>A row did not go as it must.</summary>
internal sealed class RowException(string message) : Exception(message);

/// <summary>How much and how long.</summary>
internal sealed record Sizes(bool IsFull, int Messages, int Kills, TimeSpan Outage, TimeSpan Absence, TimeSpan Resets, int Outstanding, int Backlog, TimeSpan Patience)
{
    public static Sizes Full { get; } = new(
        true, 20_000, 10, TimeSpan.FromMinutes(3), TimeSpan.FromSeconds(60), TimeSpan.FromSeconds(60), 2000, 100_000, TimeSpan.FromMinutes(3));

    public static Sizes Short { get; } = new(
        false, 2000, 2, TimeSpan.FromSeconds(8), TimeSpan.FromSeconds(4), TimeSpan.FromSeconds(6), 500, 5000, TimeSpan.FromSeconds(60));
}
