using System.Collections.Concurrent;
using System.Diagnostics;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Postrider.Transports.Nats.Tests;

/// <summary>Whatever goes wrong, the password is in no exception, log, status, span or printed option.</summary>
public sealed class SecretsTests
{
    private const string Password = "S3cr3t!x";
    private const string Encoded = "S3cr3t%21x";

    public static TheoryData<string> Unusable =>
    [
        $"nats://app:{Encoded}@127.0.0.1:1",
        $"nats://{Encoded}@127.0.0.1:1",
        $"nats://app:{Encoded}@host:notaport",
        $"http://app:{Encoded}@host",
        $"nats://app:{Encoded}@a:1,tls://app:{Encoded}@b:1",
        $"nats://app:{Encoded}@:1",
        $"{Password}",
    ];

    [Theory]
    [MemberData(nameof(Unusable))]
    public Task Of_a_connection_that_cannot_be_made(string connectionString) => NothingTellsAsync(new() { ConnectionString = connectionString });

    [Fact]
    public Task Of_a_server_that_refuses_the_password()
    {
        Server.Require();
        return NothingTellsAsync(new() { ConnectionString = new UriBuilder(Server.ConnectionString) { Password = Encoded }.ToString() });
    }

    [Fact]
    public Task Of_a_token() => NothingTellsAsync(new() { ConnectionString = "nats://127.0.0.1:1", Token = Password });

    [Fact]
    public Task Of_a_seed_that_cannot_be_read() => NothingTellsAsync(new() { ConnectionString = "nats://127.0.0.1:1", NKeySeed = "SU" + Password });

    private static async Task NothingTellsAsync(NatsOptions options)
    {
        var said = new Heard();
        using var spans = Listen(said);
        said.Add(options.ToString());
        var services = new ServiceCollection();
        services.AddLogging(log => log.SetMinimumLevel(LogLevel.Trace).AddProvider(said));
        services.AddMessaging()
            .Configure(o => o with { PublishTimeout = TimeSpan.FromMilliseconds(500) })
            .UseTransport("nats", p => new NatsTransport(options, p.GetRequiredService<ILoggerFactory>()))
            .AddConsumer<Secretive>("secrets", (_, _, _) => new(Outcome.Ack));
        await using var provider = services.BuildServiceProvider();
        var host = provider.GetServices<IHostedService>().Single();
        var failures = 0;
        await TryAsync(() => host.StartAsync(CancellationToken.None));
        await TryAsync(async () => await provider.GetRequiredService<IMessageBus>().PublishAsync(new Secretive("x")));
        said.Add($"{provider.GetRequiredService<MessagingStatus>().Error}");
        await TryAsync(() => host.StopAsync(CancellationToken.None));

        Assert.NotEqual(0, failures);
        Assert.NotEmpty(said.Lines);
        Assert.All(said.Lines, line => Assert.DoesNotContain("S3cr3t", line, StringComparison.OrdinalIgnoreCase));
        Environment.ExitCode = 0;

        async Task TryAsync(Func<Task> action)
        {
            try
            {
                await action();
            }
            catch (MessagingException e)
            {
                failures++;
                said.Add(e.ToString());
            }
        }
    }

    private static ActivityListener Listen(Heard said)
    {
        var listener = new ActivityListener
        {
            ShouldListenTo = _ => true,
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded,
            ActivityStopped = span => said.Add(
                span.DisplayName + string.Join(' ', span.TagObjects) + string.Join(' ', span.Events.SelectMany(e => e.Tags)) + span.StatusDescription),
        };
        ActivitySource.AddActivityListener(listener);
        return listener;
    }

    private sealed record Secretive(string Text);

    private sealed class Heard : ILoggerProvider, ILogger
    {
        public ConcurrentQueue<string> Lines { get; } = new();

        public void Add(string line) => Lines.Enqueue(line);

        public ILogger CreateLogger(string categoryName) => this;

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull
        {
            Add($"{state}");
            return null;
        }

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            Add(formatter(state, exception) + exception);

        public void Dispose()
        {
        }
    }
}
