using System.Collections.Frozen;
using Postrider.Core.Transport;

namespace Postrider.Core.Serialization;

/// <summary>The ways from older versions to the types that are consumed, by the type and the version they begin with.</summary>
internal sealed class Upcasters
{
    private readonly FrozenDictionary<(Type To, int Version), Upcaster[]> _ways;

    /// <exception cref="MessagingConfigurationException">A step makes no sense, or two ways begin at the same place.</exception>
    public Upcasters(IReadOnlyList<Upcaster> steps)
    {
        var ways = new Dictionary<(Type To, int Version), Upcaster[]>();
        foreach (var step in steps)
        {
            Check(step);
        }

        foreach (var target in steps.Select(static step => step.To).Distinct())
        {
            AddWays(steps, target, target, [], ways);
        }

        _ways = ways.ToFrozenDictionary();
    }

    /// <summary>Whether a message has to be made newer for a consumer of the type.</summary>
    public bool Applies<TMessage>(MessageType type, Envelope envelope) =>
        type.Version > 1
        && (envelope.SchemaVersion is { } version ? version < type.Version : _ways.ContainsKey((typeof(TMessage), 1)));

    /// <exception cref="UnsupportedVersionException">No way begins with its version.</exception>
    public TMessage Read<TMessage>(Serializers serializers, Envelope envelope)
        where TMessage : notnull
    {
        var version = envelope.SchemaVersion ?? 1;
        if (!_ways.TryGetValue((typeof(TMessage), version), out var way))
        {
            throw new UnsupportedVersionException(
                $"The message is version {version} of '{envelope.Type}', the consumer takes {typeof(TMessage).Name}, and no upcaster leads from one to the other. "
                + $"Register UseUpcaster<…, {typeof(TMessage).Name}>(…), from a type that is marked Version = {version}.");
        }

        var message = way[0].Decode(serializers, envelope);
        foreach (var step in way)
        {
            message = step.Upcast(message);
        }

        return (TMessage)message;
    }

    /// <summary>All ways that end with these steps, of which the first leads from <paramref name="at"/>.</summary>
    private static void AddWays(IReadOnlyList<Upcaster> steps, Type target, Type at, Upcaster[] rest, Dictionary<(Type, int), Upcaster[]> ways)
    {
        foreach (var step in steps)
        {
            if (step.To != at)
            {
                continue;
            }

            Upcaster[] way = [step, .. rest];
            if (!ways.TryAdd((target, step.FromVersion), way))
            {
                throw new MessagingConfigurationException(
                    $"Two ways lead from version {step.FromVersion} to {target.Name}: by the upcasters {string.Join(", ", ways[(target, step.FromVersion)].AsEnumerable())}, "
                    + $"and by {string.Join(", ", way.AsEnumerable())}. Remove one.");
            }

            AddWays(steps, target, step.From, way, ways);
        }
    }

    private static void Check(Upcaster step)
    {
        if (step.FromType.Name is null || step.ToType.Name is null)
        {
            throw new MessagingConfigurationException($"The upcaster {step}: text and bytes have no versions.");
        }

        if (step.ToType.Version is null || step.ToType.Version <= step.FromVersion)
        {
            throw new MessagingConfigurationException(
                $"The upcaster {step} has to lead to a later version, but they are marked {step.FromVersion} and {step.ToType.Version ?? 1}. Set Version in [Message(…)].");
        }

        if (!step.ToType.IsNamed(step.FromType.Name))
        {
            throw new MessagingConfigurationException(
                $"The upcaster {step} leads from '{step.FromType.Name}' to '{step.ToType.Name}', which are different messages. "
                + $"If it was renamed, give {step.To.Name} the alias '{step.FromType.Name}'.");
        }
    }
}
