using System.Globalization;
using Microsoft.Extensions.Configuration;

namespace Postrider.Core.Hosting;

/// <summary>
/// A section of the configuration, which need not be there. Reading a key makes it known; what is written there and was never read is refused at start, with
/// the nearest key that is known: so an option cannot be forgotten in a list. Not thread-safe.
/// </summary>
public sealed class Settings
{
    private readonly IConfiguration? _root;
    private readonly IConfigurationSection? _section;
    private readonly HashSet<string> _known = new(StringComparer.OrdinalIgnoreCase);
    private readonly Dictionary<string, Settings> _sections = new(StringComparer.OrdinalIgnoreCase);

    internal Settings(IConfiguration? root, string path) => (_root, Path, _section) = (root, path, root?.GetSection(path));

    /// <summary>Where it is: <c>Messaging:Nats</c>, <c>Messaging:Transports:events</c>.</summary>
    public string Path { get; }

    internal bool Exists => _section?.Exists() == true;

    /// <summary>What it is called: <c>Nats</c>, <c>events</c>.</summary>
    private string Name => Path[(Path.LastIndexOf(':') + 1)..];

    /// <summary>The text of a key, or null if it is not there.</summary>
    public string? Text(string key)
    {
        ArgumentNullException.ThrowIfNull(key);
        _known.Add(key);
        return _section?[key];
    }

    /// <summary>The value of a key, or <paramref name="otherwise"/> if it is not there. Times are written <c>00:00:10</c>.</summary>
    /// <exception cref="MessagingConfigurationException">It cannot be read. The text names the key, not the value.</exception>
    public T Value<T>(string key, T otherwise)
        where T : IParsable<T> =>
        Text(key) is not { } text ? otherwise
            : typeof(T) == typeof(TimeSpan) && !text.Contains(':', StringComparison.Ordinal)
                ? throw Unreadable(key, "a time is written 00:00:30, as a number alone would be days")
            : T.TryParse(text, CultureInfo.InvariantCulture, out var value) ? value
            : throw Unreadable(key, $"it is not a {typeof(T).Name}");

    /// <summary>As <see cref="Value{T}(string, T)"/>, for one of several words.</summary>
    /// <exception cref="MessagingConfigurationException">It is none of them. The text names the key and the words.</exception>
    public T Choice<T>(string key, T otherwise)
        where T : struct, Enum =>
        Text(key) is not { } text ? otherwise
            : Enum.TryParse<T>(text, ignoreCase: true, out var value) && Enum.GetNames<T>().Contains(text, StringComparer.OrdinalIgnoreCase) ? value
            : throw Unreadable(key, $"it is one of {string.Join(", ", Enum.GetNames<T>())}");

    /// <summary>
    /// The connection string: the key <c>ConnectionString</c>, else the one of <c>ConnectionStrings</c> that <c>ConnectionName</c> names, else the one that is
    /// called like this section, else empty (see <see cref="RequireConnectionString"/>).
    /// </summary>
    public string ConnectionString()
    {
        var (text, name) = (Text(nameof(ConnectionString)), Text("ConnectionName"));
        return text ?? _root?.GetConnectionString(name ?? Name) ?? "";
    }

    /// <summary>Throws if there is no connection string after all, and says where it was looked for.</summary>
    /// <exception cref="MessagingConfigurationException">It is empty.</exception>
    public void RequireConnectionString(string connectionString)
    {
        if (!string.IsNullOrWhiteSpace(connectionString))
        {
            return;
        }

        if (Text("ConnectionName") is { } name && Text(nameof(ConnectionString)) is null)
        {
            throw new MessagingConfigurationException(
                $"{Path}:ConnectionName is '{name}', but there is no ConnectionStrings:{name}."
                + Nearest.Hint(name, _root?.GetSection("ConnectionStrings").GetChildren().Select(static one => one.Key) ?? []));
        }

        var key = $"{Path}:{nameof(ConnectionString)}";
        throw new MessagingConfigurationException(
            $"There is no connection string. Set {key} (in the environment: {key.Replace(":", "__", StringComparison.Ordinal)}), "
            + $"or {Path}:ConnectionName to the name of one of ConnectionStrings.");
    }

    /// <summary>The subsection <c>Tls</c>, or null if it is not there.</summary>
    public TlsOptions? Tls()
    {
        var tls = Section(nameof(Tls));
        TlsOptions options = new()
        {
            CaCertificate = tls.Text(nameof(TlsOptions.CaCertificate)),
            ClientCertificate = tls.Text(nameof(TlsOptions.ClientCertificate)),
            ClientKey = tls.Text(nameof(TlsOptions.ClientKey)),
            InsecureSkipVerification = tls.Value(nameof(TlsOptions.InsecureSkipVerification), false),
        };
        return tls.Exists ? options : null;
    }

    /// <summary>A section of this section; it becomes known.</summary>
    public Settings Section(string key)
    {
        ArgumentNullException.ThrowIfNull(key);
        return _sections.TryGetValue(key, out var section) ? section : _sections[key] = new(_root, $"{Path}:{key}");
    }

    /// <summary>The names of what is written in this section, where they are the user's own; each becomes known when it is read.</summary>
    public IReadOnlyList<string> Names() => [.. _section?.GetChildren().Select(static child => child.Key) ?? []];

    /// <summary>The list of a key: its entries, or the text itself with commas between them, as is handy in an environment variable.</summary>
    internal IReadOnlyList<string> List(string key) =>
        Text(key) is { } text ? text.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)
            : [.. _section?.GetSection(key).GetChildren().Select(static one => one.Value).OfType<string>() ?? []];

    /// <exception cref="MessagingConfigurationException">Something is written in it that was never asked for.</exception>
    internal void Check()
    {
        foreach (var child in _section?.GetChildren() ?? [])
        {
            if (!_known.Contains(child.Key) && !_sections.ContainsKey(child.Key))
            {
                throw new MessagingConfigurationException($"{child.Path} is not known.{Nearest.Hint(child.Key, [.. _known, .. _sections.Keys])}");
            }
        }

        foreach (var (_, section) in _sections)
        {
            section.Check();
        }
    }

    private MessagingConfigurationException Unreadable(string key, string why) => new($"{Path}:{key} cannot be read: {why}.");
}
