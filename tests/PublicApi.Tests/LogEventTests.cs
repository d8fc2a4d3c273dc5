using System.Reflection;
using Microsoft.Extensions.Logging;

namespace Postrider.PublicApi.Tests;

/// <summary>People set alarms on event ids, so each tells of one thing.</summary>
public sealed class LogEventTests
{
    [Theory]
    [InlineData("Postrider.Core", 40)]
    [InlineData("Postrider.Dashboard", 5)]
    [InlineData("Postrider.Persistence.Postgres", 0)]
    [InlineData("Postrider.Transports.Nats", 6)]
    [InlineData("Postrider.Transports.Pgmq", 5)]
    [InlineData("Postrider.Transports.RabbitMq", 0)]
    public void No_event_id_is_used_twice_in_an_assembly(string assembly, int atLeast)
    {
        var ids = Assembly.Load(assembly).GetTypes()
            .SelectMany(static type => type.GetMethods(BindingFlags.Static | BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly))
            .Select(static method => (method.Name, method.GetCustomAttribute<LoggerMessageAttribute>()?.EventId))
            .Where(static one => one.EventId is not null)
            .ToList();

        Assert.True(ids.Count >= atLeast, $"Only {ids.Count} log lines were found.");
        Assert.Empty(ids.GroupBy(static one => one.EventId).Where(static group => group.Count() > 1)
            .Select(static group => $"{group.Key}: {string.Join(", ", group.Select(static one => one.Name))}"));
    }
}
