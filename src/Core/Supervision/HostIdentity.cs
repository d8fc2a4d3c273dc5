using System.Reflection;
using System.Security.Cryptography;

namespace Postrider.Core.Supervision;

/// <summary>Who this host is among the processes of the application. A process with several hosts has one for each.</summary>
internal sealed class HostIdentity(string name, TimeProvider time)
{
    /// <summary>A word of a key. It changes when others have declared this process dead.</summary>
    public string Id { get; private set; } = NewId();

    public string Name { get; } = name;

    public string Host { get; } = Environment.MachineName;

    public int ProcessId { get; } = Environment.ProcessId;

    public string? Version { get; } = Assembly.GetEntryAssembly()?.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion;

    public DateTimeOffset StartedAt { get; } = time.GetUtcNow();

    public void Renew() => Id = NewId();

    /// <summary>For people: where to look.</summary>
    public override string ToString() => $"{Name} on {Host}, process {ProcessId}";

    private static string NewId() => RandomNumberGenerator.GetHexString(16, lowercase: true);
}
