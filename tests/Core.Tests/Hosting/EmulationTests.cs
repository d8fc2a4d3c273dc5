using System.Collections.Concurrent;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Postrider.Core.Tests.Support;
using Postrider.Core.Transport;

namespace Postrider.Core.Tests.Hosting;

public sealed class EmulationTests
{
    [Fact]
    public async Task What_a_transport_emulates_is_logged_once_at_start()
    {
        var scripted = new ScriptedTransport();
        var log = new ListLog();
        var transport = new ScriptedTransport
        {
            Capabilities = scripted.Capabilities with { DelayedPublish = Capability.Emulated("by a ladder"), Fencing = Capability.Unsupported("no") },
        };

        await using var host = await TestHost.StartAsync(
            m => m.UseTransport("scripted", _ => transport), services => services.AddLogging(logging => logging.AddProvider(log)));

        Assert.Equal(["The transport scripted emulates DelayedPublish: by a ladder"], log.Lines.Where(static line => line.Contains("emulates")));
    }

    private sealed class ListLog : ILoggerProvider, ILogger
    {
        public ConcurrentQueue<string> Lines { get; } = new();

        public ILogger CreateLogger(string categoryName) => this;

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            Lines.Enqueue(formatter(state, exception));

        public void Dispose()
        {
        }
    }
}
