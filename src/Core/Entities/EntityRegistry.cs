using System.Text.Json.Serialization;
using Postrider.Core.Transport;

namespace Postrider.Core.Entities;

/// <summary>The entities that messages may refer to. Filled while services are registered, only read afterwards.</summary>
internal sealed class EntityRegistry
{
    private readonly Dictionary<Type, (string Name, Delegate Load)> _byType = [];
    private readonly List<JsonConverter> _converters = [];

    /// <summary>How references are written and read.</summary>
    public IReadOnlyList<JsonConverter> Converters => _converters;

    /// <exception cref="MessagingConfigurationException">The name or the type is registered already, or the name is illegal.</exception>
    public void Add<TEntity>(string name, Func<IServiceProvider, string, CancellationToken, ValueTask<TEntity?>> load)
        where TEntity : class
    {
        if (Names.WhyIllegalTopic(name) is { } why)
        {
            throw new MessagingConfigurationException($"The entity {typeof(TEntity)} has an illegal name. {why}");
        }

        foreach (var (type, (taken, _)) in _byType)
        {
            if (type == typeof(TEntity) || taken == name)
            {
                throw new MessagingConfigurationException($"The entity {typeof(TEntity)} cannot be '{name}': {type} is registered as '{taken}'.");
            }
        }

        _byType.Add(typeof(TEntity), (name, load));
        _converters.Add(new EntityRefConverter<TEntity>(name));
    }

    public async ValueTask<TEntity> LoadAsync<TEntity>(IServiceProvider services, EntityRef<TEntity> reference, CancellationToken cancellationToken)
        where TEntity : class
    {
        if (!_byType.TryGetValue(typeof(TEntity), out var entity))
        {
            throw UnregisteredEntityConverter.NotRegistered(typeof(TEntity));
        }

        if (string.IsNullOrEmpty(reference.Id))
        {
            throw new EntityReferenceException($"The message does not say which '{entity.Name}' it refers to.");
        }

        var load = (Func<IServiceProvider, string, CancellationToken, ValueTask<TEntity?>>)entity.Load;
        return await load(services, reference.Id, cancellationToken).ConfigureAwait(false)
            ?? throw new EntityReferenceException($"The message refers to '{entity.Name}/{reference.Id}', which does not exist.");
    }
}
