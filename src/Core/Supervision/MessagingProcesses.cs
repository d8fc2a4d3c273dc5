using Postrider.Core.Hosting;

namespace Postrider.Core.Supervision;

/// <summary>Reads what <see cref="ProcessRegister"/> writes.</summary>
internal sealed class MessagingProcesses(HostState state) : IMessagingProcesses
{
    public async ValueTask<IReadOnlyList<MessagingProcess>> GetAsync(CancellationToken cancellationToken)
    {
        var entries = await state.Require("The register of processes").ListAsync(ProcessRegister.Prefix, cancellationToken).ConfigureAwait(false);
        return [.. ProcessRegister.Read(entries.Values).OrderBy(static process => process.StartedAt).ThenBy(static process => process.Id, StringComparer.Ordinal)];
    }
}
