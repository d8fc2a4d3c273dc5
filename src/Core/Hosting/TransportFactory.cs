using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Postrider.Core.State;
using Postrider.Core.Transport;

namespace Postrider.Core.Hosting;

/// <summary>Finds out what a transport's name means, and makes transports. They are registered by reference; the configuration only chooses.</summary>
internal sealed class TransportFactory(MessagingRegistration registration, MessagingSettings settings, IServiceProvider services)
{
    /// <summary>Without a configuration of messaging's own, the options of transports come from the host's.</summary>
    private readonly Settings _root = registration.Configuration is null ? new(services.GetService<IConfiguration>(), settings.Root.Path) : settings.Root;

    /// <summary>Nobody has chosen: messages stay in memory.</summary>
    public bool NobodyChose => registration.ChosenTransport is null && settings.Transport is null;

    /// <exception cref="MessagingConfigurationException">There are named transports, and none is chosen.</exception>
    public string DefaultName => registration.ChosenTransport ?? settings.Transport
        ?? (settings.Transports.Names() is { Count: > 0 } names
            ? throw new MessagingConfigurationException(
                $"Messaging:Transports has {string.Join(", ", names)}, but nothing chooses where to publish. Set Messaging:Transport to one of them.")
            : MessagingRegistration.InMemory);

    public ITransport CreateDefault() => Create(DefaultName, "Messaging:Transport");

    /// <param name="name">Its name.</param>
    /// <param name="chosenBy">Who names it, for the error.</param>
    /// <exception cref="MessagingConfigurationException">There is none of that name, or its options are wrong.</exception>
    public ITransport Create(string name, string chosenBy)
    {
        var (entry, section) = Find(name, chosenBy);
        return entry.Create(services, section);
    }

    /// <param name="name">Its name.</param>
    /// <param name="chosenBy">Who names it, for the error.</param>
    /// <exception cref="MessagingConfigurationException">There is none of that name.</exception>
    public (TransportEntry Entry, Settings Section) Find(string name, string chosenBy)
    {
        if (settings.Transports.Names().Contains(name, StringComparer.OrdinalIgnoreCase))
        {
            var section = settings.Transports.Section(name);
            return (Configured(name, section), section);
        }

        if (!registration.Transports.TryGetValue(name, out var entry) && !registration.Types.TryGetValue(name, out entry))
        {
            string[] known = [MessagingRegistration.InMemory, .. registration.Transports.Keys, .. registration.Types.Keys, .. settings.Transports.Names()];
            throw new MessagingConfigurationException(
                $"{chosenBy} chooses the transport '{name}', but only these are available: {string.Join(", ", known.Distinct(StringComparer.OrdinalIgnoreCase))}. "
                + "Add it, with AddPgmq() for example, or below Messaging:Transports.");
        }

        return (entry, SectionOf(entry.Section));
    }

    /// <summary>The state store that the code chose, or null.</summary>
    /// <exception cref="MessagingConfigurationException">Its options are wrong.</exception>
    public IStateStore? CreateStateStore() => registration.StateStore is { } entry ? entry.Create(services, SectionOf(entry.Section)) : null;

    /// <summary>Reads the options of all transports, chosen or not, and of the state store, so that their keys are known.</summary>
    /// <exception cref="MessagingConfigurationException">One cannot be read, or a named transport is of no known type.</exception>
    public void ReadAll()
    {
        foreach (var (_, entry) in registration.Types)
        {
            entry.Read(SectionOf(entry.Section));
        }

        registration.StateStore?.Read(SectionOf(registration.StateStore.Section));

        foreach (var name in settings.Transports.Names())
        {
            var section = settings.Transports.Section(name);
            Configured(name, section).Read(section);
            if (registration.Types.TryGetValue(name, out var type) && settings.Root.Section(type.Section).Exists)
            {
                throw new MessagingConfigurationException($"The transport '{name}' has two sections, {section.Path} and Messaging:{type.Section}. Keep one of them.");
            }
        }
    }

    /// <summary>What a named section makes: what the code says of that name, or one of its type.</summary>
    private TransportEntry Configured(string name, Settings section)
    {
        var type = section.Text("Type");
        var inCode = registration.Transports.GetValueOrDefault(name);
        if (type is null)
        {
            return inCode ?? throw new MessagingConfigurationException($"{section.Path} has no Type. Set it to one of {string.Join(", ", registration.Types.Keys)}.");
        }

        if (!registration.Types.TryGetValue(type, out var entry))
        {
            throw new MessagingConfigurationException(
                $"{section.Path}:Type is '{type}', which is not available.{Nearest.Hint(type, registration.Types.Keys)} A type is made available by its package, "
                + "with AddPgmq() for example.");
        }

        return inCode is null ? entry
            : inCode.Type.Equals(type, StringComparison.OrdinalIgnoreCase) ? inCode
            : throw new MessagingConfigurationException($"{section.Path}:Type is '{type}', but the code says that '{name}' is of the type {inCode.Type}.");
    }

    private Settings SectionOf(string? path)
    {
        var section = _root;
        foreach (var part in path?.Split(':') ?? [])
        {
            section = section.Section(part);
        }

        return section;
    }
}
