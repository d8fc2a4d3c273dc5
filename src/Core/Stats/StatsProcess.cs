namespace Postrider.Core.Stats;

/// <summary>A messaging host whose numbers are among these.</summary>
/// <param name="Id">Its random id, as in <see cref="IMessagingProcesses"/>; another one after each start.</param>
/// <param name="Name">The application's name.</param>
/// <param name="Host">The machine's name.</param>
/// <param name="ProcessId">The operating system's number of its process.</param>
/// <param name="StartedAt">When the host was made.</param>
/// <param name="Version">The application's version, if it tells one.</param>
public sealed record StatsProcess(string Id, string Name, string Host, int ProcessId, DateTimeOffset StartedAt, string? Version);
