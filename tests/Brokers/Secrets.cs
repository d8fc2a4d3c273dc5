using System.Collections.Concurrent;
using System.Diagnostics;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Postrider.Core.Transport;

namespace Postrider.Brokers;

/// <summary>Whatever goes wrong, the password is in no exception, log, status, span or printed option.</summary>
public static class Secrets
{
    /// <summary>What must not be told.</summary>
    public const string Password = "S3cr3t!x";

    /// <summary>The same in a URL.</summary>
    public const string Encoded = "S3cr3t%21x";

    /// <summary>Runs a host that must fail, and looks at all it says.</summary>
    /// <param name="printedOptions">The options as they print themselves.</param>
    /// <param name="connect">Makes the transport.</param>
    public static async Task NothingTellsAsync(string printedOptions, Func<ILoggerFactory, ITransport> connect)
    {
        var said = new Heard();
        using var spans = Listen(said);
        said.Add(printedOptions);
        var services = new ServiceCollection();
        services.AddLogging(log => log.SetMinimumLevel(LogLevel.Trace).AddProvider(said));
        services.AddMessaging()
            .Configure(o => o with { PublishTimeout = TimeSpan.FromMilliseconds(500) })
            .UseTransport("secretive", p => connect(p.GetRequiredService<ILoggerFactory>()))
            .AddConsumer<Secretive>("secrets", (_, _, _) => new(Outcome.Ack));
        await using var provider = services.BuildServiceProvider();
        IHostedService? host = null;
        var failures = 0;
        await TryAsync(() => (host = provider.GetServices<IHostedService>().Single()).StartAsync(CancellationToken.None));
        await TryAsync(async () => await provider.GetRequiredService<IMessageBus>().PublishAsync(new Secretive("x")));
        await TryAsync(() =>
        {
            said.Add($"{provider.GetRequiredService<MessagingStatus>().Error}");
            return host?.StopAsync(CancellationToken.None) ?? Task.CompletedTask;
        });

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
