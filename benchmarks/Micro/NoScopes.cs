using Microsoft.Extensions.DependencyInjection;

namespace Postrider.Micro;

/// <summary>The same empty scope for everybody.</summary>
internal sealed class NoScopes : IServiceScopeFactory, IServiceScope, IServiceProvider
{
    public IServiceProvider ServiceProvider => this;

    public IServiceScope CreateScope() => this;

    public object? GetService(Type serviceType) => null;

    public void Dispose()
    {
        // Nothing is kept.
    }
}
