using System.Collections.Concurrent;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Postrider.Core.Tests.Support;

namespace Postrider.Core.Tests.Diagnostics;

/// <summary>One line for each message, with a scope around what is logged meanwhile, and never a word of the body.</summary>
public sealed class MessageLoggingTests
{
    private const string Category = "Postrider.Messages";

    [Fact]
    public async Task A_line_for_each_publish_and_each_handling_however_often_it_is_registered()
    {
        using var logs = new Logs();
        await using var host = await StartAsync(logs, static messaging => messaging
            .UseLogging(LogLevel.Trace)
            .UseLogging(LogLevel.Debug)
            .AddConsumer<Ping>(
                "q",
                static (ping, context, _) => ping.Number == 1 ? new(Outcome.Ack) : throw new FormatException("secret"),
                static options => options with { Retry = RetryPolicy.None }));

        await host.Bus.SendAsync("q", new Ping(1, "secret"), new() { MessageId = "one", Headers = new Dictionary<string, string> { ["h"] = "secret" } });
        await host.Bus.SendAsync("q", new Ping(2, "secret"), new() { MessageId = "two" });
        await Assert.ThrowsAsync<PublishException>(async () => await host.Bus.SendAsync("nowhere", new Ping(1), new() { MessageId = "three" }));
        await Eventually.IsAsync(() => logs.Count(static one => one.Category == Category) >= 5);
        await host.StopAsync();

        var lines = logs.Where(static one => one.Category == Category).ToList();
        Assert.All(lines, static one => Assert.Equal(LogLevel.Debug, one.Level));
        Assert.All(lines, static one => Assert.DoesNotContain("secret", one.Text, StringComparison.Ordinal));
        Assert.All(lines, static one => Assert.Null(one.Exception));
        Assert.Equal(
            [(40, "one", "q:tests.ping", "Ack"), (41, "two", "q:tests.ping", "FormatException"), (42, "one", null, "Stored"), (42, "two", null, "Stored"), (43, "three", null, "Unroutable")],
            lines.Select(static one => (one.Id, one["MessageId"], one["Consumer"], one["Outcome"] ?? one["Exception"] ?? one["Status"])).Order());
        Assert.Contains(lines, static one => one.Text.StartsWith("The consumer 'q:tests.ping' of 'q' handled the message one (tests.ping), attempt 1, in 0", StringComparison.Ordinal));
        Assert.Contains(lines, static one => one.Text.StartsWith("Published the message one (tests.ping) to the queue 'q' in 0", StringComparison.Ordinal));
    }

    [Fact]
    public async Task What_a_handler_logs_has_a_scope_that_says_of_which_message()
    {
        using var logs = new Logs();
        await using var host = await StartAsync(logs, static messaging => messaging
            .UseLogging(LogLevel.None)
            .AddConsumer<Ping>("q", static (_, context, _) =>
            {
                context.Services.GetRequiredService<ILogger<Ping>>().Log(LogLevel.Warning, default, "mine", null, static (text, _) => text);
                return new(Outcome.Ack);
            }));

        await host.Bus.SendAsync("q", new Ping(1), new() { MessageId = "one", CorrelationId = "flow" });
        await Eventually.IsAsync(() => logs.Any(static one => one.Text == "mine"));
        await host.StopAsync();

        var line = logs.Single(static one => one.Text == "mine");
        Assert.Equal(
            ["Attempt=1", "Consumer=q:tests.ping", "CorrelationId=flow", "MessageId=one", "Queue=q"],
            line.Scope.Where(static one => one.Key != "{OriginalFormat}").Select(static one => $"{one.Key}={one.Value}").Order(StringComparer.Ordinal));
        Assert.DoesNotContain(logs, static one => one.Category == Category);
    }

    [Fact]
    public async Task Without_it_nothing_is_logged_of_messages()
    {
        using var logs = new Logs();
        var done = new TaskCompletionSource();
        await using var host = await StartAsync(logs, messaging => messaging.AddConsumer<Ping>("q", (_, _, _) =>
        {
            done.SetResult();
            return new(Outcome.Ack);
        }));

        await host.Bus.SendAsync("q", new Ping(1));
        await done.Task.WaitAsync(TimeSpan.FromSeconds(10));
        await host.StopAsync();

        Assert.DoesNotContain(logs, static one => one.Category == Category);
    }

    [Fact]
    public async Task A_log_provider_that_throws_stops_no_message()
    {
        using var logs = new Logs { Throws = true };
        var done = new TaskCompletionSource();
        await using var host = await StartAsync(logs, messaging => messaging.UseLogging().AddConsumer<Ping>("q", (_, _, _) =>
        {
            done.SetResult();
            return new(Outcome.Ack);
        }));

        await host.Bus.SendAsync("q", new Ping(1));
        await done.Task.WaitAsync(TimeSpan.FromSeconds(10));
    }

    private static Task<TestHost> StartAsync(Logs logs, Action<MessagingBuilder> register) => TestHost.StartAsync(
        register, services => services.AddLogging(logging => logging.SetMinimumLevel(LogLevel.Trace).AddProvider(logs)));

    private sealed record Line(
        string Category, LogLevel Level, int Id, string Text, Exception? Exception, IReadOnlyDictionary<string, object?> Values, IReadOnlyDictionary<string, object?> Scope)
    {
        public string? this[string name] => Values.GetValueOrDefault(name)?.ToString();
    }

    private sealed class Logs : ConcurrentQueue<Line>, ILoggerProvider
    {
        private readonly AsyncLocal<IReadOnlyDictionary<string, object?>?> _scope = new();

        public bool Throws { get; init; }

        public ILogger CreateLogger(string categoryName) => new Logger(this, categoryName);

        public void Dispose()
        {
        }

        private sealed class Logger(Logs logs, string category) : ILogger, IDisposable
        {
            public IDisposable? BeginScope<TState>(TState state)
                where TState : notnull
            {
                logs._scope.Value = logs.Throws ? throw new InvalidOperationException() : Values(state);
                return this;
            }

            public bool IsEnabled(LogLevel logLevel) => logs.Throws ? throw new InvalidOperationException() : logLevel != LogLevel.None;

            public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
                logs.Enqueue(new(category, logLevel, eventId.Id, formatter(state, exception), exception, Values(state), logs._scope.Value ?? Values(null)));

            public void Dispose() => logs._scope.Value = null;

            private static Dictionary<string, object?> Values(object? state) => state is IEnumerable<KeyValuePair<string, object?>> values ? new(values) : [];
        }
    }
}
