using Microsoft.Extensions.DependencyInjection;
using Postrider.Core.Transport;

namespace Postrider.Core.Hosting;

/// <summary>A kind of transport: how its options are read and how one is made of them. For the <c>Add…</c> and <c>Use…</c> extensions of a transport's package.</summary>
/// <param name="Name">The name in the configuration: <c>Messaging:Transport</c>, <c>Messaging:Transports:…:Type</c>. Upper and lower case are the same.</param>
/// <param name="Section">The section below <c>Messaging</c> of the one that has no name of its own.</param>
/// <param name="Read">Reads all options, also those of a transport that is not chosen. Whatever it asks for is a known key.</param>
/// <param name="Create">
/// Makes a transport; nothing is connected yet. It says by <see cref="Settings.RequireConnectionString"/> if the options have no connection string.
/// </param>
public sealed record TransportType<TOptions>(
    string Name, string Section, Func<Settings, TOptions> Read, Func<IServiceProvider, Settings, TOptions, ITransport> Create);

/// <summary>What transports have in common when they are made.</summary>
public static class TransportType
{
    /// <summary>The name of a transport's connections: the one that was set, else the application's own, cut to 50 characters.</summary>
    public static string ApplicationName(this IServiceProvider services, string set, string otherwise)
    {
        ArgumentNullException.ThrowIfNull(services);
        var application = services.GetService<MessagingOptions>()?.Application;
        return set != otherwise || string.IsNullOrWhiteSpace(application) ? set : application.Length > 50 ? application[..50] : application;
    }
}
