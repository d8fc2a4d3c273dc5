using System.Globalization;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;

namespace Postrider.Core.Hosting;

/// <summary>Reads a transport's options from its section of the configuration: <c>Messaging:Pgmq</c>, <c>Messaging:RabbitMq</c>, …</summary>
public static class TransportSettings
{
    /// <summary>The value of a key, or <paramref name="otherwise"/> if it is not there. Times are written <c>00:00:10</c>.</summary>
    /// <exception cref="MessagingConfigurationException">It cannot be read. The text names the key, not the value.</exception>
    public static T Value<T>(this IConfigurationSection section, string key, T otherwise)
        where T : IParsable<T>
    {
        ArgumentNullException.ThrowIfNull(section);
        return section[key] is not { } text ? otherwise
            : T.TryParse(text, CultureInfo.InvariantCulture, out var value) ? value
            : throw new MessagingConfigurationException($"{section.Path}:{key} cannot be read.");
    }

    /// <summary>The connection string: the section's <c>ConnectionString</c>, else <c>ConnectionStrings:</c> and the section's name, else empty.</summary>
    public static string ConnectionString(this IConfiguration configuration, string transport)
    {
        ArgumentNullException.ThrowIfNull(configuration);
        return configuration[$"Messaging:{transport}:ConnectionString"] ?? configuration.GetConnectionString(transport) ?? "";
    }

    /// <summary>The name of a transport's connections: the one that was set, else the application's own, cut to 50 characters.</summary>
    public static string ApplicationName(this IServiceProvider services, string set, string otherwise)
    {
        ArgumentNullException.ThrowIfNull(services);
        var application = services.GetService<MessagingOptions>()?.Application;
        return set != otherwise || string.IsNullOrWhiteSpace(application) ? set : application.Length > 50 ? application[..50] : application;
    }

    /// <summary>The subsection <c>Tls</c>, or <paramref name="otherwise"/> if it is not there.</summary>
    public static TlsOptions? Tls(this IConfigurationSection section, TlsOptions? otherwise = null)
    {
        ArgumentNullException.ThrowIfNull(section);
        var tls = section.GetSection("Tls");
        return !tls.Exists() ? otherwise : new()
        {
            CaCertificate = tls[nameof(TlsOptions.CaCertificate)],
            ClientCertificate = tls[nameof(TlsOptions.ClientCertificate)],
            ClientKey = tls[nameof(TlsOptions.ClientKey)],
            InsecureSkipVerification = tls.Value(nameof(TlsOptions.InsecureSkipVerification), false),
        };
    }
}
