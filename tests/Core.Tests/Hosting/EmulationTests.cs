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

        Assert.Equal(["The transport scripted emulates DelayedPublish: by a ladder"], log.Lines.Select(static line => line.Text).Where(static line => line.Contains("emulates")));
    }
}
