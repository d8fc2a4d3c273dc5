using System.Text;
using Microsoft.Extensions.Logging;

namespace Postrider.Transports.Pgmq.Tests;

/// <summary>All that was logged.</summary>
internal sealed class ListLogger : ILoggerFactory, ILogger
{
    private readonly StringBuilder _text = new();

    public override string ToString()
    {
        lock (_text)
        {
            return _text.ToString();
        }
    }

    public void AddProvider(ILoggerProvider provider)
    {
    }

    public ILogger CreateLogger(string categoryName) => this;

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        lock (_text)
        {
            _text.AppendLine(formatter(state, exception)).AppendLine(exception?.ToString());
        }
    }

    public void Dispose()
    {
    }
}
