using System.Globalization;

namespace Postrider.Transports.RabbitMq;

/// <summary>What a connection string says.</summary>
internal sealed record Address(string Host, int Port, string VirtualHost, string? User, string? Password, bool IsTls)
{
    private const string Form = "'amqp://user:password@host:port/vhost', or 'amqps://' for TLS";

    /// <summary>For messages: <c>host:port</c>, and the virtual host unless it is the default one.</summary>
    public string Where => string.Create(CultureInfo.InvariantCulture, $"{Host}:{Port}") + (VirtualHost == "/" ? "" : "/" + VirtualHost);

    /// <exception cref="MessagingConfigurationException">It cannot be read. The text never holds a part of it.</exception>
    public static Address Parse(string text)
    {
        if (string.IsNullOrWhiteSpace(text))
        {
            throw new MessagingConfigurationException("RabbitMqOptions.ConnectionString is empty.");
        }

        if (!Uri.TryCreate(text, UriKind.Absolute, out var uri) || uri.Scheme is not ("amqp" or "amqps") || uri.Host.Length == 0)
        {
            throw new MessagingConfigurationException(
                $"RabbitMqOptions.ConnectionString cannot be read. It has the form {Form}. Percent-encode the characters / : @ # ? % in user, password and virtual host.");
        }

        if (uri.Query.Length > 0 || uri.Fragment.Length > 0)
        {
            throw new MessagingConfigurationException($"RabbitMqOptions.ConnectionString has parameters, which are not used here: it has the form {Form}.");
        }

        var colon = uri.UserInfo.IndexOf(':', StringComparison.Ordinal);
        var user = Uri.UnescapeDataString(colon < 0 ? uri.UserInfo : uri.UserInfo[..colon]);
        var path = uri.AbsolutePath.TrimStart('/');
        var isTls = uri.Scheme == "amqps";
        return new(
            uri.Host.Trim('[', ']'),
            uri.Port > 0 ? uri.Port : isTls ? 5671 : 5672,
            path.Length == 0 ? "/" : Uri.UnescapeDataString(path),
            user.Length == 0 ? null : user,
            colon < 0 ? null : Uri.UnescapeDataString(uri.UserInfo[(colon + 1)..]),
            isTls);
    }

    /// <summary>For display: <c>amqp://user:***@host:port/vhost</c>.</summary>
    public static string Mask(string text)
    {
        try
        {
            var parsed = Parse(text);
            return (parsed.IsTls ? "amqps://" : "amqp://") + (parsed.User is null ? "" : parsed.User + ":***@") + parsed.Where;
        }
        catch (MessagingConfigurationException)
        {
            return "(unreadable)";
        }
    }

    /// <summary>As <see cref="Mask"/>.</summary>
    public override string ToString() => Where;
}
