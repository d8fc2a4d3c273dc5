using System.Runtime.CompilerServices;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Postrider.Core.Hosting;
using Postrider.Core.Publishing;

namespace Postrider;

/// <summary>
/// What holds for the publishes of one message type (<see cref="MessagingBuilder.PublishesOf"/>) or to some topics (<see cref="MessagingBuilder.PublishesTo"/>),
/// beside what holds for all. Used while services are registered; not thread-safe.
/// </summary>
public sealed class PublishRules
{
    private readonly IServiceCollection _services;
    private readonly MessagingRegistration _registration;
    private readonly PublishScope _scope;

    internal PublishRules(IServiceCollection services, MessagingRegistration registration, PublishScope scope) =>
        (_services, _registration, _scope) = (services, registration, scope);

    /// <summary>Options that hold unless the call says otherwise, property by property: see <see cref="MessagingBuilder.PublishDefaults"/>.</summary>
    /// <exception cref="MessagingConfigurationException">They have something that belongs to one message, such as its id or its topic.</exception>
    public PublishRules Defaults(PublishOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        _registration.PublishDefaults.Add(_scope, options);
        return this;
    }

    /// <summary>Wraps these publishes, inside the middlewares of all. Of those of types and topics the first registered is outermost.</summary>
    /// <param name="middleware">The middleware.</param>
    /// <param name="name">What a description calls it; by itself the text of the call.</param>
    public PublishRules Use(PublishMiddleware middleware, [CallerArgumentExpression(nameof(middleware))] string? name = null)
    {
        ArgumentNullException.ThrowIfNull(middleware);
        return Use(MessagingBuilder.Short(name), _ => middleware);
    }

    /// <summary>As <see cref="Use(PublishMiddleware, string?)"/>, by a class. It becomes a singleton, unless it is registered otherwise already.</summary>
    public PublishRules Use<[System.Diagnostics.CodeAnalysis.DynamicallyAccessedMembers(
        System.Diagnostics.CodeAnalysis.DynamicallyAccessedMemberTypes.PublicConstructors)] TMiddleware>()
        where TMiddleware : class, IPublishMiddleware
    {
        _services.TryAddSingleton<TMiddleware>();
        return Use(typeof(TMiddleware).Name, static services =>
        {
            var middleware = services.GetRequiredService<TMiddleware>();
            return next => context => middleware.PublishAsync(context, next);
        });
    }

    private PublishRules Use(string name, Func<IServiceProvider, PublishMiddleware> create)
    {
        _registration.PublishMiddleware.Add((_scope, name, create));
        return this;
    }
}
