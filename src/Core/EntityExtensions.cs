using Microsoft.Extensions.DependencyInjection;
using Postrider.Core.Hosting;

namespace Postrider;

/// <summary>Entities that messages refer to.</summary>
public static class EntityExtensions
{
    /// <summary>Lets messages refer to entities of a type, under a name that is not that of the class: <c>AddEntity("customer", (services, id, ct) => …)</c>.</summary>
    /// <param name="builder">The registration.</param>
    /// <param name="name">The name on the wire: letters, digits, <c>-</c>, <c>_</c> and dots.</param>
    /// <param name="load">
    /// Loads the entity with this id with the services of the delivery, or answers null: there is none. What it throws is a failure of the consumer. Ids come from outside: whether
    /// the message may refer to this one is for it to check.
    /// </param>
    /// <exception cref="MessagingConfigurationException">The name or the type is registered already, or the name is illegal.</exception>
    public static MessagingBuilder AddEntity<TEntity>(
        this MessagingBuilder builder, string name, Func<IServiceProvider, string, CancellationToken, ValueTask<TEntity?>> load)
        where TEntity : class
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentNullException.ThrowIfNull(name);
        ArgumentNullException.ThrowIfNull(load);
        builder.Registration.Entities.Add(name, load);
        return builder;
    }

    /// <summary>Loads the entity that a message refers to, with the services of the delivery and its cancellation.</summary>
    /// <exception cref="EntityReferenceException">There is no such entity (any more).</exception>
    /// <exception cref="MessagingConfigurationException">Entities of the type are not registered.</exception>
    public static ValueTask<TEntity> ResolveAsync<TEntity>(this ConsumeContext context, EntityRef<TEntity> reference)
        where TEntity : class
    {
        ArgumentNullException.ThrowIfNull(context);
        return context.Services.GetRequiredService<MessagingRegistration>().Entities.LoadAsync(context.Services, reference, context.CancellationToken);
    }
}
