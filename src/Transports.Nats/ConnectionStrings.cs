using System.Globalization;
using System.Net;
using System.Text;

namespace Postrider.Transports.Nats;

/// <summary>The servers of a connection string, apart from user and password.</summary>
internal sealed record Servers(string Urls, string Where, string? User, string? Password, bool Tls, DnsEndPoint First);

/// <summary>Reads connection strings and says where they lead, without the password.</summary>
internal static class ConnectionStrings
{
    private const string Form = "It has the form 'nats://user:password@host:4222' or 'tls://…', several servers separated by commas. Percent-encode the characters / : @ # ? % , in user and password.";

    /// <exception cref="MessagingConfigurationException">It cannot be read. The text holds nothing of it.</exception>
    public static Servers Parse(string text)
    {
        if (string.IsNullOrWhiteSpace(text))
        {
            throw new MessagingConfigurationException("NatsOptions.ConnectionString is empty.");
        }

        var (urls, where) = (new StringBuilder(), new StringBuilder());
        string? user = null, password = null;
        var (tls, plain) = (false, false);
        DnsEndPoint? first = null;
        foreach (var part in text.Split(',', StringSplitOptions.TrimEntries))
        {
            var uri = Read(part);
            var isTls = uri.Scheme == "tls";
            (tls, plain) = (tls || isTls, plain || !isTls);
            if (uri.UserInfo.Length > 0)
            {
                var colon = uri.UserInfo.IndexOf(':', StringComparison.Ordinal);
                user = Uri.UnescapeDataString(colon < 0 ? uri.UserInfo : uri.UserInfo[..colon]);
                password = colon < 0 ? null : Uri.UnescapeDataString(uri.UserInfo[(colon + 1)..]);
            }

            var port = uri.Port > 0 ? uri.Port : 4222;
            first ??= new(uri.Host, port);
            Append(urls, string.Create(CultureInfo.InvariantCulture, $"{uri.Scheme}://{uri.Host}:{port}"));
            Append(where, string.Create(CultureInfo.InvariantCulture, $"{uri.Host}:{port}"));
        }

        return tls && plain
            ? throw new MessagingConfigurationException("NatsOptions.ConnectionString mixes tls:// and nats://. Use tls:// for all servers.")
            : new(urls.ToString(), where.ToString(), user, password, tls, first!);
    }

    /// <summary>For display: <c>nats://user:***@host:port</c>.</summary>
    public static string Mask(string text)
    {
        try
        {
            var parsed = Parse(text);
            return (parsed.Tls ? "tls://" : "nats://")
                + (parsed.User is null ? "" : parsed.Password is null ? "***@" : $"{parsed.User}:***@") + parsed.Where;
        }
        catch (MessagingConfigurationException)
        {
            return "(unreadable)";
        }
    }

    private static Uri Read(string part) =>
        Uri.TryCreate(part, UriKind.Absolute, out var uri) && uri.Scheme is "nats" or "tls" && uri.Host.Length > 0
            && uri.AbsolutePath is "" or "/" && uri.Query.Length == 0 && uri.Fragment.Length == 0
            ? uri
            : throw new MessagingConfigurationException("NatsOptions.ConnectionString cannot be read. " + Form);

    private static void Append(StringBuilder list, string one) => list.Append(list.Length == 0 ? "" : ",").Append(one);
}
