namespace Postrider.Core.State;

/// <summary>A transport whose broker can keep the state store too. A second interface of <see cref="Transport.ITransport"/>, found by type test.</summary>
public interface IStateStoreSource
{
    /// <summary>A new store on the transport's broker, or null if this one has none after all. It connects when it is first used; whoever calls disposes of it.</summary>
    IStateStore? CreateStateStore();
}
