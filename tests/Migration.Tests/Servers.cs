namespace Postrider.Migration.Tests;

/// <summary>The servers of ./test.sh.</summary>
internal static class Servers
{
    private static readonly (string Name, string Variable)[] All =
        [("messages", "POSTRIDER_TEST_RABBITMQ"), ("events", "POSTRIDER_TEST_NATS"), ("db", "POSTRIDER_TEST_PGMQ")];

    public static CancellationToken Deadline => new CancellationTokenSource(TimeSpan.FromSeconds(90)).Token;

    /// <summary>As .NET Aspire injects them.</summary>
    public static IEnumerable<KeyValuePair<string, string?>> ConnectionStrings =>
        All.Select(static one => KeyValuePair.Create($"ConnectionStrings:{one.Name}", Environment.GetEnvironmentVariable(one.Variable)));

    public static void Require() =>
        Assert.SkipWhen(ConnectionStrings.Any(static one => string.IsNullOrEmpty(one.Value)), "no broker: run ./test.sh");
}
