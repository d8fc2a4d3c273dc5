using System.Globalization;
using Npgsql;

namespace Postrider.Persistence.Postgres;

/// <summary>Reads connection strings of both forms and says where they lead, without the password.</summary>
internal static class ConnectionStrings
{
    /// <param name="text">The connection string.</param>
    /// <param name="option">What it is the value of, for errors: <c>PgmqOptions.ConnectionString</c>.</param>
    /// <exception cref="MessagingConfigurationException">It cannot be read. The text names the keyword at fault, never a value.</exception>
    public static NpgsqlConnectionStringBuilder Parse(string text, string option)
    {
        if (string.IsNullOrWhiteSpace(text))
        {
            throw new MessagingConfigurationException($"{option} is empty.");
        }

        var result = text.StartsWith("postgres://", StringComparison.OrdinalIgnoreCase)
            || text.StartsWith("postgresql://", StringComparison.OrdinalIgnoreCase) ? FromUri(text, option) : FromKeywords(text, option);
        if (string.IsNullOrEmpty(result.Host))
        {
            throw new MessagingConfigurationException($"{option} names no host.");
        }

        return result;
    }

    /// <summary>
    /// Null if TLS is not demanded. Otherwise how, with what the string itself says of certificates, which is taken out of it: the check is
    /// ours, and is the same for every transport.
    /// </summary>
    public static TlsOptions? TakeTls(NpgsqlConnectionStringBuilder parsed, TlsOptions? options)
    {
        if (options is null && parsed.SslMode is not (SslMode.Require or SslMode.VerifyCA or SslMode.VerifyFull))
        {
            return null;
        }

        options ??= new();
        options = options with
        {
            CaCertificate = options.CaCertificate ?? parsed.RootCertificate,
            ClientCertificate = options.ClientCertificate ?? parsed.SslCertificate,
            ClientKey = options.ClientKey ?? parsed.SslKey,
        };
        (parsed.RootCertificate, parsed.SslCertificate, parsed.SslKey) = (null, null, null);
        // With a stricter mode Npgsql would insist on a check of its own; this one demands TLS and leaves the check to us.
        parsed.SslMode = SslMode.Require;
        return options;
    }

    /// <summary>For messages: <c>host:port/database</c>.</summary>
    public static string Where(NpgsqlConnectionStringBuilder parsed) =>
        string.Create(CultureInfo.InvariantCulture, $"{parsed.Host}:{parsed.Port}/{parsed.Database ?? parsed.Username}");

    /// <summary>For display: <c>user:***@host:port/database</c>.</summary>
    public static string Mask(string text)
    {
        try
        {
            var parsed = Parse(text, "");
            return (string.IsNullOrEmpty(parsed.Password) ? $"{parsed.Username}@" : $"{parsed.Username}:***@") + Where(parsed);
        }
        catch (MessagingConfigurationException)
        {
            return "(unreadable)";
        }
    }

    private static NpgsqlConnectionStringBuilder FromKeywords(string text, string option)
    {
        // The general reader finds the parts, so that an error can name the part and nothing else. Its own texts may hold values.
        var parts = new System.Data.Common.DbConnectionStringBuilder();
        try
        {
            parts.ConnectionString = text;
        }
        catch (ArgumentException)
        {
            throw new MessagingConfigurationException(
                $"{option} cannot be read. It has the form 'Host=…;Username=…;Password=…;Database=…' (quote values that hold ';' or '=') or 'postgres://user:password@host:port/database'.");
        }

        var result = new NpgsqlConnectionStringBuilder();
        foreach (string keyword in parts.Keys)
        {
            Set(result, keyword, (string)parts[keyword], option);
        }

        return result;
    }

    private static NpgsqlConnectionStringBuilder FromUri(string text, string option)
    {
        if (!Uri.TryCreate(text, UriKind.Absolute, out var uri) || uri.Host.Length == 0)
        {
            throw new MessagingConfigurationException(
                $"{option} cannot be read as 'postgres://user:password@host:port/database'. Percent-encode the characters / : @ # ? % in user and password.");
        }

        var result = new NpgsqlConnectionStringBuilder { Host = uri.Host.Trim('[', ']') };
        if (uri.Port > 0)
        {
            result.Port = uri.Port;
        }

        var colon = uri.UserInfo.IndexOf(':', StringComparison.Ordinal);
        var user = colon < 0 ? uri.UserInfo : uri.UserInfo[..colon];
        if (user.Length > 0)
        {
            result.Username = Uri.UnescapeDataString(user);
        }

        if (colon >= 0)
        {
            result.Password = Uri.UnescapeDataString(uri.UserInfo[(colon + 1)..]);
        }

        if (uri.AbsolutePath.Length > 1)
        {
            result.Database = Uri.UnescapeDataString(uri.AbsolutePath[1..]);
        }

        foreach (var pair in uri.Query.TrimStart('?').Split('&', StringSplitOptions.RemoveEmptyEntries))
        {
            var equals = pair.IndexOf('=', StringComparison.Ordinal);
            var keyword = Uri.UnescapeDataString(equals < 0 ? pair : pair[..equals]);
            Set(result, keyword switch
            {
                "connect_timeout" => "Timeout",
                "sslrootcert" => "Root Certificate",
                "sslcert" => "SSL Certificate",
                "sslkey" => "SSL Key",
                _ => keyword.Replace('_', ' '),
            }, equals < 0 ? "" : Uri.UnescapeDataString(pair[(equals + 1)..]).Replace("verify-", "Verify", StringComparison.Ordinal), option);
        }

        return result;
    }

    private static void Set(NpgsqlConnectionStringBuilder builder, string keyword, string value, string option)
    {
        try
        {
            builder[keyword] = value;
        }
        catch (Exception e) when (e is ArgumentException or FormatException or OverflowException or InvalidCastException or NotSupportedException)
        {
            throw new MessagingConfigurationException(
                $"{option}: the keyword '{(keyword.Length > 40 ? keyword[..40] : keyword)}' is unknown or its value is not legal.");
        }
    }
}
