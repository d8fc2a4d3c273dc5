using Postrider.Core.Transport;

namespace Postrider.Brokers;

/// <summary>What a publish comes to that can never succeed as things are.</summary>
public static class Refused
{
    /// <summary>It is rejected, waiting would not help, the host goes on, and the text has these parts.</summary>
    public static void Is(PublishResult result, params string[] parts)
    {
        Assert.Equal(PublishStatus.Rejected, result.Status);
        var e = Assert.IsType<TransportException>(result.Error);
        Assert.False(e.IsTransient || e.IsFatal, e.ToString());
        Assert.All(parts, part => Assert.Contains(part, e.Message, StringComparison.Ordinal));
    }
}
