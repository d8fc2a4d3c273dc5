using Postrider.Core.State;

namespace Postrider.Core.Hosting;

/// <summary>A kind of state store: how its options are read and how one is made of them. For the <c>Use…State</c> extension of a store's package.</summary>
/// <param name="Section">Its section below <c>Messaging</c>.</param>
/// <param name="Read">Reads all options. Whatever it asks for is a known key.</param>
/// <param name="Create">
/// Makes a store; nothing is connected yet. It says by <see cref="Settings.RequireConnectionString"/> if the options have no connection string.
/// </param>
public sealed record StateStoreType<TOptions>(
    string Section, Func<Settings, TOptions> Read, Func<IServiceProvider, Settings, TOptions, IStateStore> Create);

/// <summary>The state store that the code chose.</summary>
/// <param name="Section">Its section below <c>Messaging</c>; null: it reads no options.</param>
/// <param name="Read">Reads its options, to know their keys.</param>
/// <param name="Create">Reads its options, if it has any, and makes it.</param>
internal sealed record StateStoreEntry(string? Section, Action<Settings> Read, Func<IServiceProvider, Settings, IStateStore> Create);
